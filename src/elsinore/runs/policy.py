"""A trained policy: callable on numpy arrays, and exportable to a file."""

import json
import reprlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.config.extras import require
from elsinore.envs.numbers import read_numbers
from elsinore.errors import ConfigError, counted
from elsinore.runs.export.carry import exported_carry
from elsinore.runs.export.observation_names import exported_observation, named_arrays
from elsinore.runs.files.durable import new_file
from elsinore.training.evaluation import refuse_to_explore
from elsinore.types import Algorithm, PolicyState


def _repeated(tree: PyTree, size: int) -> PyTree:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x))), tree)


def _read(like: jax.ShapeDtypeStruct, x: Any) -> np.ndarray:
    """Numbers in the type of an observation; ValueError for those that an integer changes, and for
    what is no real number."""
    given = np.asarray(x)
    if given.dtype.kind in "cOSU":
        raise ValueError(f"{given.dtype} is no type of real numbers")
    return read_numbers(given, like.dtype, exact=like.dtype.kind in "biu")


def _as_parts(obs: Any, like: PyTree) -> PyTree:
    """An observation whose dictionaries are of the kind and order of `like`'s, and whose arrays may
    be lists.

    Raises:
        ValueError: for other names than those of `like`.
    """
    if not isinstance(like, Mapping):
        return obs
    if not isinstance(obs, Mapping) or set(obs) != set(like):
        found = f"has {list(obs)}" if isinstance(obs, Mapping) else f"is {type(obs).__name__}"
        raise ValueError(f"it {found}; give a dictionary of {list(like)}")
    parts = {name: _as_parts(obs[name], part) for name, part in like.items()}
    return OrderedDict(parts) if isinstance(like, OrderedDict) else parts


class Policy:
    """Maps observations to actions, as numpy arrays; one observation or a batch of them.

    A recurrent policy keeps one carry for each observation of the batch from call to call: call
    `reset` when episodes begin.
    """

    def __init__(
        self,
        algo: Algorithm,
        policy_state: PolicyState,
        obs_like: PyTree,
        seed: int,
        agent: str | None = None,  # one of several that learn independently
        varied: Collection[str] = (),  # settings in which the members of its population differ
    ):
        # on the device: a traced observation is no index of numpy's arrays
        policy_state = jax.tree.map(jnp.asarray, policy_state)
        self.policy_state, self.seed, self.agent = policy_state, seed, agent
        self.checkpoint: str | None = None  # the name of the checkpoint that it is from
        self._algo, self._obs_like, self._varied = algo, obs_like, varied
        self._carry: PyTree = None  # of the running episodes, [batch, ...]
        self._episode, self._draws = 0, 0  # address the noise of actions drawn without a seed
        self._act = {
            greedy: jax.jit(
                jax.vmap(
                    lambda key, carry, obs, greedy=greedy: algo.policy.act(
                        key, policy_state, carry, obs, greedy
                    )
                )
            )
            for greedy in (True, False)
        }
        value = algo.policy.value
        self._value = (
            None
            if value is None
            else jax.jit(jax.vmap(lambda carry, obs: value(policy_state, carry, obs)))
        )

    def __repr__(self) -> str:
        shapes = jax.tree.map(lambda x: x.shape, self._obs_like)
        carry = ", with a carry" if jax.tree.leaves(self._algo.policy.initial_carry) else ""
        agent = f", {self.agent}" if self.agent else ""
        return (
            f"Policy(seed {self.seed}{agent} of {self.checkpoint or 'a running training'},"
            f" observation {shapes}{carry})"
        )

    def __reduce__(self) -> Any:
        """Raises:
        TypeError: compiled functions cannot be pickled."""
        raise TypeError(
            "a Policy has compiled functions and cannot be pickled; give another process the"
            " run's path, and let it call elsinore.load(path).policy(), or use run.export(folder)."
        )

    def reset(self) -> None:
        """Begin a new episode with the next observation."""
        self._carry = None
        self._episode, self._draws = self._episode + 1, 0

    def __call__(self, obs: PyTree, *, sample: bool = False, seed: int | None = None) -> np.ndarray:
        """The greedy action for each observation, or with `sample` a random one.

        Args:
            sample: draw as in training, each call anew, but the same in every new `Policy`.
            seed: draw with this seed alone: equal in every call, so that in a loop each step has
                another.

        Raises:
            ValueError: for an observation of another shape than the environment's, one that is not
                finite, or numbers that its integer type does not have (0.5 in uint8).
            ConfigError: with `sample`, where members of a population differ in the exploration.
        """
        if sample:
            refuse_to_explore("sample=True", self._varied)
        batch, single = self._as_batch(obs)
        size = jax.tree.leaves(batch)[0].shape[0]
        key = jax.random.key(0 if seed is None else seed)
        if sample and seed is None:
            key = jax.random.fold_in(jax.random.fold_in(key, self._episode), self._draws)
            self._draws += 1
        keys = jax.random.split(key, size)
        actions, self._carry = self._act[not sample](keys, self._carry_of(size), batch)
        actions = np.asarray(actions)
        return actions[0] if single else actions

    def as_rival(self) -> tuple[Any, PolicyState]:
        """The policy as a rival in a game of two players: a function (key, parameters, obs) ->
        sampled action, and the parameters.

        The function raises a ConfigError in a game whose observations are not the policy's.

        Raises:
            ConfigError: for a recurrent policy, whose carry a game has no place for; for a policy
                of a population whose members differ in the exploration.
        """
        refuse_to_explore("a rival, whose actions are sampled,", self._varied)
        if jax.tree.leaves(self._algo.policy.initial_carry):
            raise ConfigError(
                "a recurrent policy cannot be a rival: a game has no place for its carry; train one"
                " without algo.network.gru, lstm and lru."
            )

        own = jax.tree.map(lambda x: x.shape, self._obs_like)

        def act(key: Any, policy_state: PolicyState, obs: PyTree) -> Any:
            seen = jax.tree.map(lambda x: x.shape, obs)
            if seen != own:
                raise ConfigError(
                    f"a policy of observations {own} is no rival in a game of observations {seen};"
                    " give one of the same game and env_kwargs."
                )
            return self._algo.policy.act(key, policy_state, (), obs, False)[0]

        return act, jax.tree.map(jnp.array, self.policy_state)  # a copy, which a run may donate

    def value(self, obs: PyTree) -> np.ndarray:
        """The critic's estimate of the discounted return, V(s), in the unit of the environment's
        rewards; with `algo.rnd.weight` the return of the bonus is in it.

        Of a recurrent policy, ask for it before the action of the same observation: a call moves
        the carry on, and the observation would be read a second time.

        Raises:
            ValueError: for an algorithm without a critic, or an observation as in a call.
        """
        if self._value is None:
            raise ValueError("this algorithm estimates no value of an observation.")
        batch, single = self._as_batch(obs)
        values = np.asarray(self._value(self._carry_of(jax.tree.leaves(batch)[0].shape[0]), batch))
        return values[0] if single else values

    def _carry_of(self, size: int) -> PyTree:
        """The carry of `size` running episodes, or the initial one."""
        if self._carry is None:
            return _repeated(self._algo.policy.initial_carry, size)
        before = [x.shape[0] for x in jax.tree.leaves(self._carry)[:1]]
        if before and before[0] != size:
            raise ValueError(
                f"a batch of {counted(size, 'observation')} does not fit the carry of"
                f" {counted(before[0], 'episode')};"
                " call reset() when episodes begin."
            )
        return self._carry

    def _as_batch(self, obs: PyTree) -> tuple[PyTree, bool]:
        try:
            obs = jax.tree.map(_read, self._obs_like, _as_parts(obs, self._obs_like))
        except (OverflowError, TypeError, ValueError) as error:
            like = jax.tree.map(lambda x: f"{x.dtype}{list(x.shape)}", self._obs_like)
            given = reprlib.repr(obs)
            raise ValueError(f"obs={given} cannot be read as {like}: {error}") from error
        if not all(np.isfinite(x).all() for x in jax.tree.leaves(obs)):
            raise ValueError("obs is NaN or infinite, of which no action can be made.")
        shapes = [
            (x.shape, like.shape)
            for x, like in zip(*map(jax.tree.leaves, (obs, self._obs_like)), strict=True)
        ]
        if all(shape == like for shape, like in shapes):
            return jax.tree.map(lambda x: x[None], obs), True
        sizes = {shape[:1] for shape, _ in shapes}
        if len(sizes) == 1 and all(
            shape[1:] == like and len(shape) == len(like) + 1 for shape, like in shapes
        ):
            return obs, False
        given, like = (jax.tree.map(lambda x: x.shape, tree) for tree in (obs, self._obs_like))
        if len(shapes) == 1:
            given, like = list(shapes[0][0]), list(shapes[0][1])
        channels_first = any(
            len(like) == 3 and shape != like and shape[-3:] == (like[2], *like[:2])
            for shape, like in shapes
        )
        remedy = (
            "move the channels of images last: np.moveaxis(image, -3, -1)"
            if channels_first
            else "give arrays of these shapes"
        )
        raise ValueError(
            f"obs of shape {given} is neither one observation {like} nor a batch of them; {remedy}."
        )

    def export(self, folder: Path, env_name: str, **facts: Any) -> None:
        """Write policy.jaxexport (greedy, any batch size, CPU, CUDA and TPU) and policy.json (its
        inputs and outputs, and the `facts`). It loads with `jax.export` of the same jax or a newer
        one.

        The function maps observations to actions, or for a recurrent policy (observations, carry)
        to (actions, carry); the carry is a list of arrays, all zeros when episodes begin."""
        exported = self._exported()
        about = self._origin(env_name) | {"jax": jax.__version__, **facts, **self._inputs()}
        action = exported.out_avals[0]
        about |= {"action_shape": list(action.shape[1:]), "action_dtype": action.dtype.name}
        folder.mkdir(parents=True, exist_ok=True)
        new_file(folder / "policy.jaxexport").write_bytes(exported.serialize())
        _write_about(folder, about)

    def export_onnx(self, folder: Path, env_name: str, **facts: Any) -> None:
        """Write policy.onnx (greedy, any batch size) and policy.json, as `export` does.

        Its inputs are the arrays of an observation by their names (`obs` for a single one) and of a
        recurrent policy `carry_0`, `carry_1` ...; its outputs are `action` and `next_carry_0` ...
        An array whose name another one has gets `_` at its end.
        The first array of an observation has the batch.

        Raises:
            ConfigError: without the package onnx, or for a policy that computes what ONNX's graph
                has no operation for, such as a custom network with a loop.
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

        like, as_observed = exported_observation(self._obs_like)
        obs, tree = jax.tree.flatten(like)
        start = exported_carry(self._algo.policy.initial_carry).start
        parts = self._inputs()["obs"]
        carry = [f"carry_{i}" for i in range(len(start))]
        outputs = ["action", *(f"next_{name}" for name in carry)]
        names: list[str] = []
        for part in parts:
            name = part["name"].replace("/", ".") or "obs"
            while name in (*names, *carry, *outputs):
                name += "_"
            names.append(name)

        def flat(*arrays):
            seen = as_observed(jax.tree.unflatten(tree, arrays[: len(obs)]))
            actions, after = self._greedy(seen, list(arrays[len(obs) :]))
            return [actions, *after]

        inputs = [
            (name, tuple(jnp.shape(x)), jnp.result_type(x))
            for name, x in zip([*names, *carry], [*obs, *start], strict=True)
        ]
        about = self._origin(env_name) | facts | self._inputs()
        about["memory_dtypes"] = [held_as(x.dtype).name for x in start]
        try:
            model = model_of(flat, inputs, outputs, {"policy": json.dumps(about)})
        except UnknownOperation as error:
            raise ConfigError(str(error)) from error
        action = model.graph.output[0].type.tensor_type
        sizes = [size.dim_value for size in action.shape.dim[1:]]
        kind = onnx.helper.tensor_dtype_to_np_dtype(action.elem_type).name
        about |= {"inputs": [*names, *carry], "action_shape": sizes, "action_dtype": kind}
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(new_file(folder / "policy.onnx")))
        _write_about(folder, about)

    def _origin(self, env_name: str) -> dict[str, Any]:
        agent = {"agent": self.agent} if self.agent else {}
        return {"env": env_name, "seed": self.seed, **agent}

    def _greedy(self, obs: PyTree, carry: list[Any]) -> tuple[Any, list[Any]]:
        """The most likely actions of a batch, and its carry as a list of arrays."""
        as_exported = exported_carry(self._algo.policy.initial_carry)

        def act(carry, obs):
            return self._algo.policy.act(jax.random.key(0), self.policy_state, carry, obs, True)

        actions, after = jax.vmap(act)(as_exported.read(carry), obs)
        return actions, as_exported.write(after)

    def _exported(self) -> Any:
        """The greedy policy with its parameters and normaliser, as a `jax.export.Exported`."""
        from jax import export

        (batch,) = export.symbolic_shape("batch")
        like, as_observed = exported_observation(self._obs_like)

        def greedy(obs, carry):
            return self._greedy(as_observed(obs), carry)

        start = exported_carry(self._algo.policy.initial_carry).start

        def batched(tree):
            return jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype), tree)

        obs, carry = batched(like), batched(start)
        function, inputs = (
            (greedy, (obs, carry)) if start else (lambda obs: greedy(obs, [])[0], (obs,))
        )
        return export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*inputs)

    def _inputs(self) -> dict[str, Any]:
        """The entries of policy.json about the observation's arrays, in the order of the exported
        function, and about the carry."""
        parts = [
            {"name": name, "shape": list(x.shape), "dtype": np.dtype(x.dtype).name}
            for name, x in named_arrays(exported_observation(self._obs_like)[0]).items()
        ]
        alone = (
            {"obs_shape": parts[0]["shape"], "obs_dtype": parts[0]["dtype"]}
            if len(parts) == 1
            else {}
        )
        carry = exported_carry(self._algo.policy.initial_carry).start
        shapes, dtypes = [list(x.shape) for x in carry], [x.dtype.name for x in carry]
        return {"obs": parts, **alone, "memory_shapes": shapes, "memory_dtypes": dtypes}


def _write_about(folder: Path, about: dict[str, Any]) -> None:
    text = json.dumps(about, indent=1) + "\n"
    new_file(folder / "policy.json").write_text(text, encoding="utf-8")
