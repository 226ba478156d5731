"""The latency of an exported policy."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elsinore.runs.sinks.mlflow_env import configure_mlflow

Decide = Callable[[Any], np.ndarray]


class Latency(NamedTuple):
    """The latency of one call, in seconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Latency":
        return cls(float(np.median(seconds)), float(np.percentile(seconds, 99)))

    def __str__(self) -> str:
        return f"median {1e6 * self.median:,.0f} us, 99 % within {1e6 * self.p99:,.0f} us"


def latency_of(decide: Decide, obs: Any, calls: int = 1_000, first: int = 20) -> Latency:
    """Measure `calls` calls with the same observations, after `first` calls that compile and warm
    up."""
    for _ in range(first):
        decide(obs)
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        decide(obs)
        seconds.append(time.perf_counter() - began)
    return Latency.of(seconds)


def _parts(obs: Any, about: dict[str, Any]) -> list[np.ndarray]:
    """The arrays of observations by name, in the order of policy.json."""
    return [obs[part["name"]] if part["name"] else obs for part in about["obs"]]


def jax_decider(folder: Path) -> Decide:
    """The policy of an export in the form `jax`, jitted; each call begins an episode."""
    import jax
    from jax import export

    exported = export.deserialize(bytearray((folder / "policy.jaxexport").read_bytes()))
    call = jax.jit(exported.call)
    about = about_of(folder)
    begin = exported.in_avals[len(about["obs"]) :]
    obs_tree = exported.in_tree.children()[0].children()[0]  # of the first positional argument

    def decide(obs: Any) -> np.ndarray:
        parts = _parts(obs, about)
        seen = jax.tree.unflatten(obs_tree, parts)
        if not begin:
            return np.asarray(call(seen))
        carry = [np.zeros((len(parts[0]), *x.shape[1:]), x.dtype) for x in begin]
        return np.asarray(call(seen, carry)[0])

    return decide


def mlflow_decider(folder: Path) -> Decide:
    """The policy of an export in the form `mlflow`."""
    configure_mlflow()
    import mlflow

    return mlflow.pyfunc.load_model(str(folder)).predict


def onnx_decider(folder: Path) -> Decide:
    """The policy of an export in the form `onnx`, in onnxruntime; each call begins an episode."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "policy.onnx"))
    about = about_of(folder)
    memory = list(zip(about["memory_shapes"], about["memory_dtypes"], strict=True))
    names = about["inputs"]

    def decide(obs: Any) -> np.ndarray:
        parts = _parts(obs, about)
        size = len(parts[0])
        carry = [np.zeros((size, *shape), dtype) for shape, dtype in memory]
        return session.run(["action"], dict(zip(names, [*parts, *carry], strict=True)))[0]

    return decide


DECIDERS: dict[str, Callable[[Path], Decide]] = {
    "jax": jax_decider,
    "mlflow": mlflow_decider,
    "onnx": onnx_decider,
}


def about_of(folder: Path) -> dict[str, Any]:
    """The contents of policy.json, anywhere in an export."""
    return json.loads(next(folder.rglob("policy.json")).read_text(encoding="utf-8"))


def observations_like(about: dict[str, Any], size: int) -> Any:
    """Random observations for a policy: normal floats, and ones of other types (a mask allows
    every action)."""
    rng = np.random.default_rng(0)

    def random(part: dict[str, Any]) -> np.ndarray:
        shape, dtype = (size, *part["shape"]), np.dtype(part["dtype"])
        return rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else np.ones(shape, dtype)

    arrays = {part["name"]: random(part) for part in about["obs"]}
    return arrays[""] if list(arrays) == [""] else arrays
