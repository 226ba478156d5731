"""A trained policy: called with numpy arrays, or a pure function for code that jax traces."""

import reprlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PyTree

from elsinore.envs.numbers import read_numbers
from elsinore.errors import ConfigError, counted
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


def _described(obs: PyTree) -> PyTree:
    """Type and shape of each array, such as `float32[4]`."""
    return jax.tree.map(lambda x: f"{jnp.result_type(x)}{list(jnp.shape(x))}", obs)


class Policy:
    """Maps observations to actions, as numpy arrays; one observation or a batch of them.

    A recurrent policy keeps one carry for each observation of the batch from call to call: call
    `reset` when episodes begin. `as_function` has the same policy for code under `jax.jit`.

    Attributes:
        obs_like: shape and type of one observation, as `jax.ShapeDtypeStruct`s.
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
        self.obs_like, self._algo, self._varied = obs_like, algo, varied
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
        self._value, self._scores = (
            function and jax.jit(jax.vmap(partial(function, policy_state)))
            for function in (algo.policy.value, algo.policy.action_scores)
        )

    def __repr__(self) -> str:
        shapes = jax.tree.map(lambda x: x.shape, self.obs_like)
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

    def as_function(
        self, *, sample: bool = False
    ) -> tuple[Callable[..., tuple[jax.Array, PyTree]], PolicyState, PyTree]:
        """The policy for code that jax traces: `jit`, `vmap`, `scan`.

            act, params, carry = run.policy().as_function()
            action, carry = act(key, params, carry, obs)

        Returns:
            act: a pure function of a key, the parameters, a carry and one observation (no batch:
                use `jax.vmap`) to the action and the next carry. It is greedy, and then its key is
                not used, or with `sample` draws as in training.
            params: the network's parameters and the normaliser's statistics.
            carry: of a recurrent policy, the one that an episode begins with; else `()`.

        Raises:
            ConfigError: with `sample`, where members of a population differ in the exploration.
            ConfigError: by `act`, for an observation of another shape than the environment's, or
                one of another type where the environment's is of integers.
        """
        if sample:
            refuse_to_explore("sample=True", self._varied)

        def act(key: Any, params: PolicyState, carry: PyTree, obs: PyTree) -> Any:
            if not self._is_observation(obs):
                raise ConfigError(
                    f"obs={_described(obs)} is not one observation {_described(self.obs_like)};"
                    " give arrays like these, and batches by jax.vmap."
                )
            obs = jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), obs, self.obs_like)
            return self._algo.policy.act(key, params, carry, obs, not sample)

        # copies, which a run may donate
        start = self.policy_state, self._algo.policy.initial_carry
        return act, *jax.tree.map(jnp.array, start)

    def as_rival(self) -> tuple[Callable[..., Any], PolicyState]:
        """The policy as a rival in a game of two players: a function (key, parameters, obs) ->
        sampled action, and the parameters.

        Raises:
            ConfigError: for a recurrent policy, whose carry a game has no place for; for a policy
                of a population whose members differ in the exploration.
            ConfigError: by the function, in a game whose observations are not the policy's.
        """
        refuse_to_explore("a rival, whose actions are sampled,", self._varied)
        if self._algo.policy.recurrent:
            raise ConfigError(
                "a recurrent policy cannot be a rival: a game has no place for its carry; train one"
                " without algo.network.gru, lstm and lru."
            )
        act, params, _ = self.as_function(sample=True)

        def act_as_rival(key: Any, params: PolicyState, obs: PyTree) -> Any:
            if not self._is_observation(obs):
                raise ConfigError(
                    f"a policy of observations {_described(self.obs_like)} is no rival in a game of"
                    f" observations {_described(obs)}; give one of the same game and env_kwargs."
                )
            return act(key, params, (), obs)[0]

        return act_as_rival, params

    def _is_observation(self, obs: PyTree) -> bool:
        """True for one observation in the environment's shapes; float types may differ."""
        if jax.tree.structure(obs) != jax.tree.structure(self.obs_like):
            return False
        return all(
            jnp.shape(x) == like.shape
            and (like.dtype.kind not in "biu" or jnp.result_type(x) == like.dtype)
            for x, like in zip(*map(jax.tree.leaves, (obs, self.obs_like)), strict=True)
        )

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
        return self._evaluated(self._value, obs)

    def action_scores(self, obs: PyTree) -> dict[str, np.ndarray]:
        """The numbers that the policy chooses an action by, each [..., action], by their names:
        `action value` (Q(s, a) of DQN and PQN, in the unit of rewards; -inf of an illegal action),
        `probability` of each discrete action, or the parameters of the distribution of a
        continuous one, such as `mean` and `standard deviation`.

        With a memory as `value`: ask before the action of the same observation.

        Raises:
            ValueError: for an algorithm without such numbers, or an observation as in a call.
        """
        if self._scores is None:
            raise ValueError("this algorithm gives no scores of its actions.")
        return self._evaluated(self._scores, obs)

    def _evaluated(self, function: Callable[[PyTree, PyTree], Any], obs: PyTree) -> Any:
        """A function of carries and observations, of one observation or a batch."""
        batch, single = self._as_batch(obs)
        found = function(self._carry_of(jax.tree.leaves(batch)[0].shape[0]), batch)
        return jax.tree.map(lambda x: np.asarray(x)[0] if single else np.asarray(x), found)

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
        if any(isinstance(x, Tracer) for x in jax.tree.leaves(obs)):
            raise ValueError(
                "obs is traced by jax (jit, vmap, scan), and this policy takes numpy arrays; in"
                " such code use act, params, carry = policy.as_function()."
            )
        try:
            obs = jax.tree.map(_read, self.obs_like, _as_parts(obs, self.obs_like))
        except (OverflowError, TypeError, ValueError) as error:
            given, like = reprlib.repr(obs), _described(self.obs_like)
            raise ValueError(f"obs={given} cannot be read as {like}: {error}") from error
        if not all(np.isfinite(x).all() for x in jax.tree.leaves(obs)):
            raise ValueError("obs is NaN or infinite, of which no action can be made.")
        shapes = [
            (x.shape, like.shape)
            for x, like in zip(*map(jax.tree.leaves, (obs, self.obs_like)), strict=True)
        ]
        if all(shape == like for shape, like in shapes):
            return jax.tree.map(lambda x: x[None], obs), True
        sizes = {shape[:1] for shape, _ in shapes}
        if len(sizes) == 1 and all(
            shape[1:] == like and len(shape) == len(like) + 1 for shape, like in shapes
        ):
            return obs, False
        given, like = (jax.tree.map(lambda x: x.shape, tree) for tree in (obs, self.obs_like))
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
