"""A greedy policy as an ONNX graph, with the description of its inputs."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from elsinore.config.extras import require
from elsinore.errors import ConfigError
from elsinore.runs.export.jax_function import batched_greedy, inputs_of, origin, write_about
from elsinore.runs.export.observation_names import exported_observation
from elsinore.runs.files.durable import new_file
from elsinore.runs.policy import Policy


def write_onnx(policy: Policy, folder: Path, facts: dict[str, Any]) -> None:
    """Write policy.onnx (greedy, any batch size) and policy.json, as `write_jax` does.

    Its inputs are the arrays of an observation by their names (`obs` for a single one) and of a
    recurrent policy `carry_0`, `carry_1` ...; its outputs are `action` and `next_carry_0` ... An
    array whose name another one has gets `_` at its end. The first array of an observation has the
    batch.

    Raises:
        ConfigError: without the package onnx, or for a policy that computes what ONNX's graph has
            no operation for, such as a custom network with a loop.
    """
    from elsinore.runs.export.onnx.graph import held_as
    from elsinore.runs.export.onnx.model import model_of
    from elsinore.runs.export.onnx.program import UnknownOperation

    require(
        "onnx",
        "--format onnx (in Python, form='onnx')",
        "export it with --format jax (form='jax')",
    )
    import onnx

    like, as_observed = exported_observation(policy.obs_like)
    obs, tree = jax.tree.flatten(like)
    greedy, start = batched_greedy(policy)
    inputs = inputs_of(policy)
    carry = [f"carry_{i}" for i in range(len(start))]
    outputs = ["action", *(f"next_{name}" for name in carry)]
    names: list[str] = []
    for part in inputs["obs"]:
        name = part["name"].replace("/", ".") or "obs"
        while name in (*names, *carry, *outputs):
            name += "_"
        names.append(name)

    def flat(*arrays):
        seen = as_observed(jax.tree.unflatten(tree, arrays[: len(obs)]))
        actions, after = greedy(seen, list(arrays[len(obs) :]))
        return [actions, *after]

    arguments = [
        (name, tuple(jnp.shape(x)), jnp.result_type(x))
        for name, x in zip([*names, *carry], [*obs, *start], strict=True)
    ]
    about = origin(policy, facts) | inputs
    about["memory_dtypes"] = [held_as(x.dtype).name for x in start]
    try:
        model = model_of(flat, arguments, outputs, {"policy": json.dumps(about)})
    except UnknownOperation as error:
        raise ConfigError(str(error)) from error
    action = model.graph.output[0].type.tensor_type
    sizes = [size.dim_value for size in action.shape.dim[1:]]
    kind = onnx.helper.tensor_dtype_to_np_dtype(action.elem_type).name
    about |= {"inputs": [*names, *carry], "action_shape": sizes, "action_dtype": kind}
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(new_file(folder / "policy.onnx")))
    write_about(folder, about)
