"""A trained policy as something to call, and as a file to ship."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.types import Acting, Algorithm


def _repeated(tree: PyTree, size: int) -> PyTree:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x))), tree)


class Policy:
    """Observations in, actions out, as numpy arrays; one observation or a batch of them.

    A recurrent policy remembers from call to call, one memory for each observation of the batch: call `reset` when
    episodes begin.
    """

    def __init__(self, algo: Algorithm, acting: Acting, obs_like: PyTree, seed: int):
        self.acting, self.seed = acting, seed
        self._algo, self._obs_like = algo, obs_like
        self._memory: PyTree = None  # of the running episodes, [batch, ...]
        self._act = {
            greedy: jax.jit(
                jax.vmap(lambda key, memory, obs, greedy=greedy: algo.act(key, acting, memory, obs, greedy))
            )
            for greedy in (True, False)
        }
        value = algo.value
        self._value = None if value is None else jax.jit(jax.vmap(lambda memory, obs: value(acting, memory, obs)))

    def reset(self) -> None:
        """What is seen next begins an episode."""
        self._memory = None

    def __call__(self, obs: PyTree, *, sample: bool = False, seed: int = 0) -> np.ndarray:
        """The likeliest action for each observation, or with `sample` one drawn with random seed `seed`.

        Raises:
            ValueError: for an observation of another shape than the environment's.
        """
        batch, single = self._as_batch(obs)
        size = jax.tree.leaves(batch)[0].shape[0]
        keys = jax.random.split(jax.random.key(seed), size)
        actions, self._memory = self._act[not sample](keys, self._remembered(size), batch)
        actions = np.asarray(actions)
        return actions[0] if single else actions

    def value(self, obs: PyTree) -> np.ndarray:
        """What the critic expects from here on, discounted.

        Raises:
            ValueError: for an algorithm that keeps no estimate of value, or an observation of another shape.
        """
        if self._value is None:
            raise ValueError("this algorithm estimates no value of an observation.")
        batch, single = self._as_batch(obs)
        values = np.asarray(self._value(self._remembered(jax.tree.leaves(batch)[0].shape[0]), batch))
        return values[0] if single else values

    def _remembered(self, size: int) -> PyTree:
        """The memories of `size` running episodes, or of as many that begin."""
        if self._memory is None:
            return _repeated(self._algo.memory, size)
        before = [x.shape[0] for x in jax.tree.leaves(self._memory)[:1]]
        if before and before[0] != size:
            raise ValueError(f"a batch of {size} observations cannot go on from a memory of {before[0]}; "
                             "call reset() where episodes begin.")  # fmt: skip
        return self._memory

    def _as_batch(self, obs: PyTree) -> tuple[PyTree, bool]:
        if isinstance(self._obs_like, jax.ShapeDtypeStruct):
            obs = np.asarray(obs)  # lists will do
        obs = jax.tree.map(lambda x, like: np.asarray(x, like.dtype), obs, self._obs_like)
        shapes = [(x.shape, like.shape) for x, like in zip(*map(jax.tree.leaves, (obs, self._obs_like)), strict=True)]
        if all(shape == like for shape, like in shapes):
            return jax.tree.map(lambda x: x[None], obs), True
        if all(shape[1:] == like and len(shape) == len(like) + 1 for shape, like in shapes):
            return obs, False
        shape, like = shapes[0]
        raise ValueError(f"obs of shape {list(shape)} is neither one observation {list(like)} nor a batch of them.")

    def export(self, folder: Path, env_name: str, **facts: Any) -> None:
        """Write policy.jaxexport (greedy, any batch size, CPU, CUDA and TPU) and policy.json, which says what it
        takes and gives, and the `facts`. It loads with `jax.export` of the same jax or a newer one.

        It maps observations to actions; a recurrent policy's, (observations, memory) to (actions, memory), where
        memory is a list of arrays of zeros when episodes begin."""
        exported = self._exported()
        about = {"env": env_name, "seed": self.seed, "jax": jax.__version__, **facts, **self._takes()}
        action = exported.out_avals[0]
        about |= {"action_shape": list(action.shape[1:]), "action_dtype": action.dtype.name}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policy.jaxexport").write_bytes(exported.serialize())
        (folder / "policy.json").write_text(json.dumps(about, indent=1) + "\n")

    def _exported(self) -> Any:
        """The greedy policy with its parameters and normaliser inside, as a `jax.export.Exported`."""
        from jax import export

        (batch,) = export.symbolic_shape("batch")
        acting = jax.tree.map(jnp.asarray, self.acting)
        start, tree = jax.tree.flatten(self._algo.memory)

        def greedy(obs, memory):
            memory = jax.tree.unflatten(tree, memory)
            act = jax.vmap(lambda memory, obs: self._algo.act(jax.random.key(0), acting, memory, obs, True))
            actions, memory = act(memory, obs)
            return actions, jax.tree.leaves(memory)

        def batched(tree):
            return jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype), tree)

        obs, memory = batched(self._obs_like), batched(start)
        function, takes = (greedy, (obs, memory)) if start else (lambda obs: greedy(obs, [])[0], (obs,))
        return export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*takes)

    def _takes(self) -> dict[str, Any]:
        """What policy.json says of observations, array by array in the file's order, and of memory."""
        found = jax.tree_util.tree_flatten_with_path(self._obs_like)[0]
        parts = [
            {"name": jax.tree_util.keystr(path, simple=True, separator="/"), "shape": list(x.shape),
             "dtype": np.dtype(x.dtype).name}
            for path, x in found
        ]  # fmt: skip
        alone = {"obs_shape": parts[0]["shape"], "obs_dtype": parts[0]["dtype"]} if len(parts) == 1 else {}
        memory = [list(jnp.shape(x)) for x in jax.tree.leaves(self._algo.memory)]
        return {"obs": parts, **alone, "memory_shapes": memory}
