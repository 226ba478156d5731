"""An algorithm under test, with the values that several checks share, each made once."""

import typing
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from elsinore.checks.result import SkipCheck
from elsinore.checks.tree_differences import one_line, to_numpy
from elsinore.types import Algorithm, TrainState

NUM_UPDATES = 1_000  # the length of its schedules
# most of the time is compile time: this halves it, at the price of slower code
FAST_COMPILE = {"xla_backend_optimization_level": 0}
NUM_DRAWS = 20  # sampled actions for each observation


class AlgorithmFixture:
    """An algorithm in an environment: the given one, or `ProbeEnv`."""

    def __init__(
        self, make: Any, config: Any, env: Any, env_params: PyTree, seed: int, env_steps: int
    ):
        self.make, self.seed, self.env_steps = make, seed, env_steps
        self._config, self._env, self._env_params = config, env, env_params
        self.traces = 0  # number of times the update was traced

    @cached_property
    def config(self) -> Any:
        """The given config, or the defaults of the class that annotates `make`'s first argument."""
        if self._config is not None:
            return self._config
        config_class = next(iter(typing.get_type_hints(self.make).values()), None)
        return config_class() if isinstance(config_class, type) else None

    @cached_property
    def env(self) -> Any:
        return self._probe_env() if self._env is None else self._env

    def _probe_env(self) -> Any:
        """`ProbeEnv`, with continuous actions for an algorithm that refuses others."""
        from elsinore.checks.probe_env import ProbeEnv  # here, since gymnax takes seconds to import

        discrete, continuous = ProbeEnv(), ProbeEnv(continuous=True)
        for env in (discrete, continuous):
            try:
                self.make(self.config, env, env.default_params, NUM_UPDATES)
                return env
            except ValueError:
                continue
        return discrete

    @cached_property
    def env_params(self) -> PyTree:
        return self.env.default_params if self._env_params is None else self._env_params

    @cached_property
    def algo(self) -> Algorithm:
        return self.make(self.config, self.env, self.env_params, NUM_UPDATES)

    @cached_property
    def in_probe_env(self) -> "AlgorithmFixture":
        """The same algorithm in `ProbeEnv`.

        Raises:
            SkipCheck: where it cannot be made there.
        """
        if self._env is None:
            return self
        probe = AlgorithmFixture(self.make, self.config, None, None, self.seed, self.env_steps)
        try:
            probe.shapes  # noqa: B018
        except Exception as error:
            raise SkipCheck(
                "it needs an environment of known rewards, which the algorithm refuses:"
                f" {one_line(error)}"
            ) from error
        return probe

    @property
    def key(self):
        return jax.random.key(self.seed)

    @property
    def other_key(self):
        return jax.random.key(self.seed + 1)

    def init_state(self, key, **changed: Any) -> TrainState:
        """The initial train state, with some env parameters changed."""
        params = self.env_params.replace(**changed) if changed else self.env_params
        params = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), params)
        return self.init(key, params, self.algo.hyper)

    @cached_property
    def init(self) -> Callable[..., TrainState]:
        return jax.jit(self.algo.init, compiler_options=FAST_COMPILE)

    @cached_property
    def shapes(self) -> TrainState:
        """Shapes of the initial train state."""
        return jax.eval_shape(self.algo.init, self.key, self.env_params, self.algo.hyper)

    @cached_property
    def update(self) -> Callable[[TrainState], tuple[TrainState, dict]]:
        def update(state: TrainState):
            self.traces += 1
            return self.algo.update(state)

        return jax.jit(update, compiler_options=FAST_COMPILE)

    def one_action(self, key, state: TrainState, greedy: bool):
        """The action of the first env of a state, from the initial carry."""
        obs = jax.tree.map(lambda x: x[0], state.actor.obs)
        return self.algo.policy.act(
            key, state.policy_state, self.algo.policy.initial_carry, obs, greedy
        )

    @cached_property
    def actions(self) -> Callable[..., tuple[Array, PyTree]]:
        """`(state, obs [batch, ...], greedy) -> (actions, carries)`, [batch, draw, ...], from the
        initial carry."""

        def actions(state: TrainState, obs: PyTree, greedy: bool):
            def one(key, obs):
                return self.algo.policy.act(
                    key, state.policy_state, self.algo.policy.initial_carry, obs, greedy
                )

            draws = jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(None, 0))
            return draws(jax.random.split(self.key, NUM_DRAWS), obs)

        return jax.jit(actions, static_argnums=2, compiler_options=FAST_COMPILE)

    @cached_property
    def random_resets(self) -> bool:
        """True if different keys give different first observations."""
        resets = jax.vmap(self.env.reset_env, in_axes=(0, None))
        obs, _ = resets(jax.random.split(self.key, NUM_DRAWS), self.env_params)
        return any(np.any(x != x[:1]) for x in jax.tree.leaves(to_numpy(obs)))

    @cached_property
    def initial(self) -> TrainState:
        return self.init_state(self.key)

    @cached_property
    def updated(self) -> TrainState:
        return self.update(self.initial)[0]

    @property
    def num_updates(self) -> int:
        """The updates that take `env_steps`, at least three."""
        return max(3, -(-self.env_steps // self.algo.steps_per_update))

    def train(
        self, state: TrainState, num_updates: int
    ) -> tuple[TrainState, dict[str, tuple[float, float]]]:
        """The state after some updates, and each metric's total and count over them."""
        history = []
        for _ in range(num_updates):
            state, metrics = self.update(state)
            history.append(metrics)
        rows = jax.device_get(history)
        sums = {
            name: tuple(np.sum([row[name] for row in rows], axis=0, dtype=np.float64))
            for name in rows[0]
        }
        return state, sums

    @cached_property
    def trained(self) -> tuple[TrainState, dict[str, tuple[float, float]]]:
        """The result of `num_updates` updates."""
        return self.train(self.initial, self.num_updates)
