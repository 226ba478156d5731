"""What some tests need of the devices that they run on."""

import jax
import pytest

needs_two_devices = pytest.mark.skipif(len(jax.devices()) < 2, reason="needs two devices")
needs_cpu_programs = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="about programs that are compiled for CPUs"
)
# GPUs round factors of matrix products to 10 bits by default.
exact_products = jax.default_matmul_precision("float32")
