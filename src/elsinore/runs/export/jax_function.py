"""A greedy policy as one serialised function of jax, with the description of its inputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elsinore.runs.export.carry import exported_carry
from elsinore.runs.export.observation_names import exported_observation, named_arrays
from elsinore.runs.files.durable import new_file
from elsinore.runs.policy import Policy


def write_jax(policy: Policy, folder: Path, facts: dict[str, Any]) -> None:
    """Write policy.jaxexport (greedy, any batch size, CPU, CUDA and TPU) and policy.json (its
    inputs and outputs, and the `facts`). It loads with `jax.export` of the same jax or a newer one.

    The function maps observations to actions, or for a recurrent policy (observations, carry) to
    (actions, carry); the carry is a list of arrays, all zeros when episodes begin."""
    exported = _exported(policy)
    about = origin(policy, facts) | {"jax": jax.__version__} | inputs_of(policy)
    action = exported.out_avals[0]
    about |= {"action_shape": list(action.shape[1:]), "action_dtype": action.dtype.name}
    folder.mkdir(parents=True, exist_ok=True)
    new_file(folder / "policy.jaxexport").write_bytes(exported.serialize())
    write_about(folder, about)


def _exported(policy: Policy) -> Any:
    """The greedy policy with its parameters and normaliser, as a `jax.export.Exported`."""
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    like, as_observed = exported_observation(policy.obs_like)
    act, start = batched_greedy(policy)

    def batched(tree):
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype), tree)

    def greedy(obs, carry):
        return act(as_observed(obs), carry)

    obs, carry = batched(like), batched(start)
    function, inputs = (greedy, (obs, carry)) if start else (lambda obs: greedy(obs, [])[0], (obs,))
    return export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*inputs)


def batched_greedy(policy: Policy) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A function of a batch of observations and the exported carry to greedy actions and the next
    carry, and the carry of one episode's start."""
    act, params, initial = policy.as_function()
    as_exported = exported_carry(initial)

    def greedy(obs, carry):
        def one(carry, obs):
            return act(jax.random.key(0), params, carry, obs)

        actions, after = jax.vmap(one)(as_exported.read(carry), obs)
        return actions, as_exported.write(after)

    return greedy, as_exported.start


def origin(policy: Policy, facts: dict[str, Any]) -> dict[str, Any]:
    """The entries of policy.json about the policy's origin."""
    agent = {"agent": policy.agent} if policy.agent else {}
    return {"env": facts["env"], "seed": policy.seed, **agent, **facts}


def inputs_of(policy: Policy) -> dict[str, Any]:
    """The entries of policy.json about the observation's arrays, in the order of the exported
    function, and about the carry."""
    parts = [
        {"name": name, "shape": list(x.shape), "dtype": np.dtype(x.dtype).name}
        for name, x in named_arrays(exported_observation(policy.obs_like)[0]).items()
    ]
    alone = (
        {"obs_shape": parts[0]["shape"], "obs_dtype": parts[0]["dtype"]} if len(parts) == 1 else {}
    )
    _, carry = batched_greedy(policy)
    shapes, dtypes = [list(x.shape) for x in carry], [x.dtype.name for x in carry]
    return {"obs": parts, **alone, "memory_shapes": shapes, "memory_dtypes": dtypes}


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write policy.json."""
    text = json.dumps(about, indent=1) + "\n"
    new_file(folder / "policy.json").write_text(text, encoding="utf-8")
