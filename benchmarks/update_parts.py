"""Other ways to compute parts of PPO's update, as ratios to how it is computed.

    python -m benchmarks.update_parts [--rounds 40]

The work is a minibatch of PureJaxRL's settings: 128 observations of 4 numbers, two networks of
64-64 tanh units, 16 minibatches an update. The ways take turns; a ratio is the median over turns
of core seconds, which other processes on the machine change less than they change the clock.
`same bits` says whether the result is the same, bit for bit.

With g++, the gradients of both networks are also written by hand (`mlp_bound.cc`), as a bound: no
run uses that.
"""

import argparse
import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from benchmarks.record import FOLDER, Results
from elsinore.jaxtools.compiler_options import CPU_OPTIONS
from elsinore.jaxtools.products import with_quick_products

BATCH, OBS, HIDDEN, ACTIONS, STEPS, ENVS = 128, 4, 64, 2, 16, 4
LAUNCHES = 20  # of each way in a turn


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, default=FOLDER / "update_parts.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"batch": BATCH, "hidden": HIDDEN, "steps": STEPS}, args.again)
    for part, ways in PARTS.items():
        row = results.measure(partial(measured, ways(), args.rounds), part=part)
        for way in row["ways"]:
            bits = "same bits" if way["same_bits"] else "other bits"
            print(f"{part}, {way['way']}: {way['ratio']:.2f} ({bits})", flush=True)
    results.save()


def measured(ways: dict[str, tuple[Callable, tuple]], rounds: int) -> dict[str, Any]:
    """The first way is the one in use."""
    programs = {}
    for name, (function, inputs) in ways.items():
        programs[name] = (
            jax.jit(function, compiler_options=CPU_OPTIONS).lower(*inputs).compile(),
            jax.device_put(inputs),
        )
    outputs = {name: flat(program(*inputs)) for name, (program, inputs) in programs.items()}
    first = next(iter(programs))
    seconds = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (program, inputs) in programs.items():
            began = time.process_time()
            for _ in range(LAUNCHES):
                out = program(*inputs)
            jax.block_until_ready(out)
            seconds[name].append((time.process_time() - began) / LAUNCHES)
    return {
        "ways": [
            {
                "way": name,
                "microseconds": 1e6 * min(took),
                "ratio": median(a / b for a, b in zip(took, seconds[first], strict=True)),
                "same_bits": outputs[name].tobytes() == outputs[first].tobytes(),
            }
            for name, took in seconds.items()
        ]
    }


def flat(tree: Any) -> np.ndarray:
    return np.asarray(ravel_pytree(tree)[0])


# Two networks, one beside the other or as one batched product


def layers(key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Actor and critic together, [network, in, out]; the heads are apart."""
    shapes = ((OBS, HIDDEN), (HIDDEN, HIDDEN))
    keys = jax.random.split(key, len(shapes))
    return [
        (jax.random.normal(k, (2, *shape)) / shape[0] ** 0.5, jnp.zeros((2, shape[1])))
        for k, shape in zip(keys, shapes, strict=True)
    ]


def apart(trunks: Any, obs: jax.Array) -> jax.Array:
    """The last hidden units of both, [network, batch, unit]."""

    def one(i: int) -> jax.Array:
        x = obs
        for kernel, bias in trunks:
            x = jnp.tanh(x @ kernel[i] + bias[i])
        return x

    return jnp.stack([one(0), one(1)])


def batched(trunks: Any, obs: jax.Array) -> jax.Array:
    x = jnp.broadcast_to(obs, (2, *obs.shape))
    for kernel, bias in trunks:
        x = jnp.tanh(jnp.einsum("nbi,nio->nbo", x, kernel) + bias[:, None])
    return x


def block_diagonal(trunks: Any, obs: jax.Array) -> jax.Array:
    """One product of twice the width; the second layer's matrix is half zeros."""
    (first, bias), (second, second_bias) = trunks
    x = jnp.tanh(obs @ jnp.concatenate(list(first), axis=1) + bias.reshape(-1))
    zeros = jnp.zeros((HIDDEN, HIDDEN))
    wide = jnp.block([[second[0], zeros], [zeros, second[1]]])
    x = jnp.tanh(x @ wide + second_bias.reshape(-1))
    return x.reshape(-1, 2, HIDDEN).swapaxes(0, 1)


def trunks() -> dict[str, tuple[Callable, tuple]]:
    made, obs = layers(jax.random.key(0)), jax.random.normal(jax.random.key(1), (STEPS, BATCH, OBS))

    def gradients(forward: Callable, quick: bool = True) -> Callable:
        def loss(params: Any, x: jax.Array) -> jax.Array:
            return jnp.square(forward(params, x)).mean()

        gradient = with_quick_products(jax.grad(loss)) if quick else jax.grad(loss)

        def step(params: Any, x: jax.Array) -> tuple[Any, None]:
            grads = gradient(params, x)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), None

        return lambda params, obs: jax.lax.scan(step, params, obs)[0]

    ways = {
        "two products": gradients(apart),
        "as differentiation has them": gradients(apart, quick=False),
        "one batched": gradients(batched),
        "block-diagonal": gradients(block_diagonal),
    }
    if shutil.which("g++"):
        ways["by hand, in C++"] = by_hand()
    return {name: (way, (made, obs)) for name, way in ways.items()}


def by_hand() -> Callable:
    """The gradient steps of `mlp_bound.cc`, compiled for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "bound.so"
        command = ["g++", "-w", "-std=c++17", "-O3", "-march=native", "-ffast-math"]
        source = Path(__file__).with_name("mlp_bound.cc")
        include = ["-shared", "-fPIC", "-mprefer-vector-width=512", f"-I{jax.ffi.include_dir()}"]
        subprocess.run([*command, *include, str(source), "-o", str(built)], check=True)
        library = ctypes.cdll.LoadLibrary(str(built))
    target = jax.ffi.pycapsule(library.Gradients)
    jax.ffi.register_ffi_target("gradients_by_hand", target, platform="cpu")

    def run(params: Any, obs: jax.Array) -> Any:
        leaves, structure = jax.tree.flatten(params)
        types = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves]
        found = jax.ffi.ffi_call("gradients_by_hand", types)(*leaves, obs)
        return jax.tree.unflatten(structure, found)

    return run


# Adam over one raveled vector, or over each array


def adam() -> dict[str, tuple[Callable, tuple]]:
    params = {
        "trunks": layers(jax.random.key(0)),
        "heads": (jnp.zeros((HIDDEN, ACTIONS)), jnp.zeros((HIDDEN, 1))),
    }
    grads = jax.tree.map(lambda x: 0.01 * jnp.ones((STEPS, *x.shape)), params)
    clip, rule = optax.clip_by_global_norm(0.5), optax.adam(1e-3, eps=1e-5)
    each, together = optax.chain(clip, rule), optax.chain(clip, optax.flatten(rule))
    whole = optax.flatten(each)

    def raveled(params: Any, grads: Any) -> Any:
        """The parameters stay one vector between steps, as in `algos/optimise.py`."""
        vector, unravel = ravel_pytree(params)

        def step(carry: Any, g: Any) -> tuple[Any, None]:
            vector, state = carry
            updates, state = each.update(ravel_pytree(g)[0], state)
            return (vector + updates, state), None

        (vector, _), _ = jax.lax.scan(step, (vector, each.init(vector)), grads)
        return unravel(vector)

    def by(optimiser: Any) -> Callable:
        def run(params: Any, grads: Any) -> Any:
            def step(carry: Any, g: Any) -> tuple[Any, None]:
                params, state = carry
                updates, state = optimiser.update(g, state)
                return (optax.apply_updates(params, updates), state), None

            return jax.lax.scan(step, (params, optimiser.init(params)), grads)[0][0]

        return run

    ways = {
        "one vector": raveled,
        "each array": by(each),
        "optax.flatten of all": by(whole),
        "optax.flatten of Adam": by(together),
    }
    return {name: (way, (params, grads)) for name, way in ways.items()}


# A rollout's loop, with more steps a turn


def unrolls() -> dict[str, tuple[Callable, tuple]]:
    from elsinore.envs import make

    env, params = make("CartPole-v1")
    made = layers(jax.random.key(0))
    head = 0.1 * jax.random.normal(jax.random.key(2), (HIDDEN, ACTIONS))
    keys = jax.random.split(jax.random.key(1), ENVS)
    obs, state = jax.vmap(env.reset_env, (0, None))(keys, params)

    def rollout(unroll: int) -> Callable:
        def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
            obs, state = carry
            hidden = apart(made, obs)
            action = jnp.argmax(hidden[0] @ head, axis=-1)
            out = jax.vmap(env.step_env, (0, 0, 0, None))(keys, state, action, params)
            return (out[0], out[1]), hidden[1].sum(axis=-1)

        def run(obs: Any, state: Any) -> jax.Array:
            return jax.lax.scan(step, (obs, state), length=BATCH, unroll=unroll)[1]

        return run

    return {
        f"{n} step{'s' if n > 1 else ''} a turn": (rollout(n), (obs, state)) for n in (1, 2, 4, 8)
    }


PARTS = {"trunks": trunks, "adam": adam, "rollout": unrolls}


if __name__ == "__main__":
    main()
