"""An algorithm under examination: what several laws look at, each made once."""

import typing
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from elsinore.laws.compare import plain, told
from elsinore.laws.verdict import Unasked
from elsinore.types import Algorithm, TrainState

LENGTH = 1_000  # updates: that of its schedules
QUICKLY = {"xla_backend_optimization_level": 0}  # most of the time goes into compiling: half as long, and slower code
DRAWS = 20  # of an action, for each observation


class Trial:
    """An algorithm in a world: the given one, or `Vigil`, in which everything is known."""

    def __init__(self, make: Any, config: Any, env: Any, env_params: PyTree, seed: int, env_steps: int):
        self.make, self.seed, self.env_steps = make, seed, env_steps
        self._config, self._env, self._env_params = config, env, env_params
        self.traces = 0  # of the update

    @cached_property
    def config(self) -> Any:
        """The one given, or the default of what `make` says its first argument is."""
        if self._config is not None:
            return self._config
        kind = next(iter(typing.get_type_hints(self.make).values()), None)
        return kind() if isinstance(kind, type) else None

    @cached_property
    def env(self) -> Any:
        from elsinore.laws.probe import Vigil  # here, since gymnax takes seconds to import

        return Vigil() if self._env is None else self._env

    @cached_property
    def env_params(self) -> PyTree:
        return self.env.default_params if self._env_params is None else self._env_params

    @cached_property
    def algo(self) -> Algorithm:
        return self.make(self.config, self.env, self.env_params, LENGTH)

    @cached_property
    def known(self) -> "Trial":
        """The same algorithm in `Vigil`.

        Raises:
            Unasked: where it cannot be made there.
        """
        if self._env is None:
            return self
        there = Trial(self.make, self.config, None, None, self.seed, self.env_steps)
        try:
            there.shapes  # noqa: B018
        except Exception as error:
            raise Unasked(
                f"it rests on a known world of four masked actions, which this refuses: {told(error)}"
            ) from error
        return there

    @property
    def key(self):
        return jax.random.key(self.seed)

    @property
    def other_key(self):
        return jax.random.key(self.seed + 1)

    def begin(self, key, **changed: Any) -> TrainState:
        """A beginning, with some of the world's parameters changed."""
        params = self.env_params.replace(**changed) if changed else self.env_params
        params = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), params)
        return self.init(key, params, self.algo.hyper)

    @cached_property
    def init(self) -> Callable[..., TrainState]:
        return jax.jit(self.algo.init, compiler_options=QUICKLY)

    @cached_property
    def shapes(self) -> TrainState:
        """What a beginning is made of."""
        return jax.eval_shape(self.algo.init, self.key, self.env_params, self.algo.hyper)

    @cached_property
    def update(self) -> Callable[[TrainState], tuple[TrainState, dict]]:
        def update(state: TrainState):
            self.traces += 1
            return self.algo.update(state)

        return jax.jit(update, compiler_options=QUICKLY)

    def one_action(self, key, state: TrainState, greedy: bool):
        """For the first env of a state, as an episode begins."""
        obs = jax.tree.map(lambda x: x[0], state.actor.obs)
        return self.algo.act(key, state.acting, self.algo.memory, obs, greedy)

    @cached_property
    def actions(self) -> Callable[..., tuple[Array, PyTree]]:
        """`(state, obs [batch, ...], greedy) -> (actions, memories)`, [batch, draw, ...], as episodes begin."""

        def actions(state: TrainState, obs: PyTree, greedy: bool):
            def one(key, obs):
                return self.algo.act(key, state.acting, self.algo.memory, obs, greedy)

            draws = jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(None, 0))
            return draws(jax.random.split(self.key, DRAWS), obs)

        return jax.jit(actions, static_argnums=2, compiler_options=QUICKLY)

    @cached_property
    def begins_by_chance(self) -> bool:
        """Do different keys begin different episodes?"""
        resets = jax.vmap(self.env.reset_env, in_axes=(0, None))
        obs, _ = resets(jax.random.split(self.key, DRAWS), self.env_params)
        return any(np.any(x != x[:1]) for x in jax.tree.leaves(plain(obs)))

    @cached_property
    def first(self) -> TrainState:
        return self.begin(self.key)

    @cached_property
    def second(self) -> TrainState:
        return self.update(self.first)[0]

    @property
    def num_updates(self) -> int:
        """Enough to have seen a few thousand env steps, and three at least."""
        return max(3, -(-self.env_steps // self.algo.steps_per_update))

    def train(self, state: TrainState, num_updates: int) -> tuple[TrainState, dict[str, tuple[float, float]]]:
        """The state after some updates, and every metric's total and count over them."""
        told = []
        for _ in range(num_updates):
            state, metrics = self.update(state)
            told.append(metrics)
        rows = jax.device_get(told)
        sums = {name: tuple(np.sum([row[name] for row in rows], axis=0, dtype=np.float64)) for name in rows[0]}
        return state, sums

    @cached_property
    def trained(self) -> tuple[TrainState, dict[str, tuple[float, float]]]:
        """After `num_updates` updates, in this world as it is."""
        return self.train(self.first, self.num_updates)
