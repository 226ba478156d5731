"""What the cores can do at best: single-precision matrix products, as XLA runs them."""

import time


def matmul_peak(size: int = 1024, seconds: float = 1.0) -> dict[str, float]:
    """GFLOP/s of one device, and of all devices at once, on [size, size] products."""
    import jax
    import jax.numpy as jnp

    from elsinore.jaxtools.compiler_options import compiler_options

    devices = jax.devices()

    def products(x):
        return jax.lax.fori_loop(0, 8, lambda _, y: (x @ y) / size, x)

    run = jax.jit(products, compiler_options=compiler_options())
    inputs = [jax.device_put(jnp.ones((size, size)), device) for device in devices]
    for x in inputs:
        run(x).block_until_ready()

    def rate(these) -> float:
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for y in [run(x) for x in these]:
                y.block_until_ready()
            done += len(these)
        return done * 8 * 2 * size**3 / (time.perf_counter() - began) / 1e9

    return {
        "one_device_gflops": rate(inputs[:1]),
        "all_devices_gflops": rate(inputs),
        "devices": len(devices),
    }
