"""Arrays are brought from the devices of all processes to the host, bit for bit."""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from elsinore.jaxtools import host_arrays
from tests.devices import needs_two_devices


@needs_two_devices
def test_arrays_are_brought_to_the_host_with_few_bytes_on_each_device_at_once(monkeypatch):
    mesh = Mesh(np.array(jax.devices()[:2]), ("seed",))
    by_seed, second = NamedSharding(mesh, P("seed")), NamedSharding(mesh, P(None, "seed"))
    large = np.random.default_rng(0).normal(size=(2, 4, 1001)).astype(np.float32)
    large[0, 0, 0] = -0.0
    keys = jax.device_put(jax.random.split(jax.random.key(0), 2), by_seed)
    arrays = [
        jax.device_put(np.arange(4, dtype=np.int32), by_seed),
        keys,
        jax.device_put(large, by_seed),
        jax.device_put(large.T, second),
        jax.device_put(np.arange(6.0, dtype=np.float32), by_seed),
    ]
    monkeypatch.setattr(host_arrays, "AT_ONCE", 3000)
    held = []

    def looking(program):
        def looked(*args):
            made = program.lower(*args).compile().memory_analysis()
            held.append(made.output_size_in_bytes + made.temp_size_in_bytes)
            return program(*args)

        return looked

    for name in ("_piece", "_replicated"):
        made = getattr(host_arrays, name)
        monkeypatch.setattr(host_arrays, name, lambda *args, made=made: looking(made(*args)))
    found = host_arrays.brought(arrays)
    expected = [np.asarray(jax.random.key_data(x) if x is keys else x) for x in arrays]
    for got, same in zip(found, expected, strict=True):
        assert (got.dtype, got.shape, got.tobytes()) == (same.dtype, same.shape, same.tobytes())
    assert max(held) <= 2 * 3000 and len(held) > 2 * large.nbytes / 3000
