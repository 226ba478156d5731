"""The records everything speaks in. Arrays only, named, importable; nothing here imports ours.

Axis words: `time` steps of a rollout, `env` parallel worlds, `obs` whatever shape an observation has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree


class EnvStep(NamedTuple):
    """What one step of a self-resetting world gives."""

    obs: PyTree  # what the agent sees next: the new episode's first sight where one ended
    state: PyTree
    reward: Float[Array, "..."]
    terminated: Bool[Array, "..."]  # the world ended: the future is worth 0
    truncated: Bool[Array, "..."]  # the clock ended: the future keeps its value
    final_obs: PyTree  # what the step truly led to, before any reset
    info: dict[str, Any]


class Decision(NamedTuple):
    """What a policy chose in each env."""

    action: Array  # as the policy drew it: what learning needs
    sent: Array  # as the env takes it (a continuous action is clipped to its bounds)
    extras: PyTree  # what learning wants remembered, e.g. the log-probability
    memory: PyTree = ()  # what the policy will remember at the next step, [env, ...]; () for one that does not


class Transition(NamedTuple):
    """One step of experience; a rollout stacks them to [time, env, ...]."""

    obs: PyTree
    action: Array
    reward: Float[Array, "..."]
    terminated: Bool[Array, "..."]
    truncated: Bool[Array, "..."]
    final_obs: PyTree
    extras: PyTree


class Actor(NamedTuple):
    """What acting carries from step to step, for every env."""

    env_state: PyTree
    obs: PyTree
    memory: PyTree  # what the policy remembers of the running episode, [env, ...]; () for one that does not
    episode_return: Float[Array, "env"]  # of the running episode, raw rewards
    episode_length: Int[Array, "env"]
    outcomes: Any = None  # what came of the last episodes, where a curriculum is decided by it


EACH = "each/"  # how the name of a metric begins that is told of each of several agents: Mean's fields are [agent]


class Mean(NamedTuple):
    """A mean that stays exact when it is added up over updates, seeds and devices."""

    total: Float[Array, "..."]
    count: Float[Array, "..."]

    @classmethod
    def of(cls, value: Float[Array, ""]) -> "Mean":
        """One value."""
        return cls(value, jnp.float32(1.0))


@partial(jax.tree_util.register_dataclass, data_fields=["table"], meta_fields=["names"])
@dataclass(frozen=True)
class Metrics:
    """Many named means in one array, [..., 2 x metric]: one thing to compile, to add up and to fetch."""

    table: Float[Array, "..."]  # total, count, total, count, ...
    names: tuple[str, ...]

    @classmethod
    def of(cls, means: dict[str, Mean]) -> "Metrics":
        """What is told of each agent (`each/loss`, [agent]) becomes a metric of each: `agent_0/loss` and so on."""
        plain, each = _parted(means)
        table = jnp.stack([x for mean in plain.values() for x in mean])  # at once: the compiler's work is by operations
        rows = [jnp.stack(mean, axis=-1).reshape(-1) for mean in each.values()]
        return cls(jnp.concatenate([table, *rows]) if rows else table, tuple(names_of(means)))

    def __getitem__(self, name: str) -> Mean:
        i = 2 * self.names.index(name)
        return Mean(self.table[..., i], self.table[..., i + 1])

    def items(self):
        return ((name, self[name]) for name in self.names)


def names_of(means: dict[str, Mean]) -> Iterator[str]:
    """The names of `Metrics.of` the means, or of their shapes."""
    plain, each = _parted(means)
    yield from plain
    for name, mean in each.items():
        yield from (f"agent_{i}/{name.removeprefix(EACH)}" for i in range(mean.total.shape[0]))


def _parted(means: dict[str, Mean]) -> tuple[dict[str, Mean], dict[str, Mean]]:
    """What is told of all agents together, and what of each."""
    each = {name: mean for name, mean in means.items() if name.startswith(EACH)}
    return {name: mean for name, mean in means.items() if name not in each}, each


class Acting(NamedTuple):
    """The part of a train state that acting needs; what a policy is once training is over."""

    params: PyTree
    stats: PyTree


class TrainState(NamedTuple):
    """All that an algorithm needs to go on. Saving it is saving the training."""

    key: Key[Array, ""]  # the seed's own key, never spent: update u draws from fold_in(key, u)
    update: Int[Array, ""]  # updates done
    learner: Any  # the algorithm's own record; its field `params` is what acting reads
    actor: Actor
    stats: Any  # normalisers
    hyper: Any  # the numbers a sweep or a population may vary: traced
    env_params: PyTree  # the numbers a curriculum may vary: traced
    curiosity: Any = None  # what makes intrinsic rewards, where there are any

    @property
    def acting(self) -> Acting:
        return Acting(self.learner.params, self.stats)


class Best(NamedTuple):
    """The policy that evaluated best so far, as it was when it was evaluated."""

    score: Float[Array, ""]  # -inf before the first evaluation
    update: Int[Array, ""]
    acting: Acting


class RunState(NamedTuple):
    """All that a run needs to go on, one seed's worth; seeds are a leading axis around it."""

    train: TrainState
    curriculum: PyTree  # where it is in its curriculum; () without one
    convergence: Any
    best: Best


class Algorithm(NamedTuple):
    """Three pure functions, as an optax optimiser is two.

    `init(key, env_params, hyper) -> TrainState`; `update(state) -> (state, metrics)`, one rollout and all the
    learning from it; `act(key, acting, memory, obs, greedy) -> (action, memory)`, for one observation, the
    action as the env takes it. `memory` is what a recurrent policy remembers when an episode begins, and ()
    for one that remembers nothing. `value(acting, memory, obs)` is what one observation is thought to be
    worth, where the algorithm has an opinion; `preferences(acting, memory, obs)` is what it thinks of each action,
    by the measure's name: `{"probability": [action]}` (0 for an illegal one), `{"action value": [action]}` (-inf).
    """

    init: Callable[..., TrainState]
    update: Callable[[TrainState], tuple[TrainState, dict[str, Mean]]]
    act: Callable[..., tuple[jax.Array, PyTree]]
    hyper: Any  # the defaults of `TrainState.hyper`, from the config
    steps_per_update: int  # env steps one update takes: rollout_length x num_envs
    memory: PyTree = ()
    value: Callable[[Acting, PyTree, PyTree], jax.Array] | None = None
    preferences: Callable[[Acting, PyTree, PyTree], dict[str, jax.Array]] | None = None
