"""Records that every layer shares: arrays with names, importable; nothing here imports elsinore.

Axis words: `time` is the steps of a rollout, `env` the parallel environments, `obs` any shape of an
observation.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree


class EnvStep(NamedTuple):
    """Result of one step of an auto-resetting environment."""

    obs: PyTree  # next observation: the first of the new episode where one ended
    state: PyTree
    reward: Float[Array, "..."]
    terminated: Bool[Array, "..."]  # the environment ended: the future is worth 0
    truncated: Bool[Array, "..."]  # the time limit ended it: the future keeps its value
    final_obs: PyTree  # true next observation, before any reset
    info: dict[str, Any]


class Decision(NamedTuple):
    """Actions of a policy in every env, with what learning needs of them."""

    action: PyTree  # as the policy drew it
    env_action: Array  # as the env takes it (a continuous action is clipped to its bounds)
    log_prob: PyTree  # of `action`; () where learning needs none
    carry: PyTree = ()  # recurrent state for the next step, [env, ...]; () without recurrence


class Transition(NamedTuple):
    """One step of experience; a rollout stacks transitions to [time, env, ...]."""

    obs: PyTree
    action: Array
    reward: Float[Array, "..."]
    terminated: Bool[Array, "..."]
    truncated: Bool[Array, "..."]
    final_obs: PyTree
    log_prob: PyTree


class Actor(NamedTuple):
    """State that acting carries from step to step, in every env."""

    env_state: PyTree
    obs: PyTree
    carry: PyTree  # recurrent state of the running episode, [env, ...]; () without recurrence
    episode_return: Float[Array, "env"]  # of the running episode, raw rewards
    episode_length: Int[Array, "env"]
    # of the last episodes, where a curriculum or the convergence test depends on them
    episode_stats: Any = None
    episode_log: Any = None  # those that ended in this chunk, where each is a row


class Mean(NamedTuple):
    """A mean as total and count, exact when summed over updates, seeds and devices."""

    total: Float[Array, "..."]
    count: Float[Array, "..."]

    @classmethod
    def of(cls, value: Float[Array, ""]) -> "Mean":
        """The mean of one value."""
        return cls(value, jnp.float32(1.0))


def means(metrics: Mapping[str, Float[Array, ""]]) -> dict[str, Mean]:
    """Each metric as a mean of one value."""
    return {name: Mean.of(value) for name, value in metrics.items()}


PER_AGENT = "per agent"  # key of a nested dict of metrics, name -> Mean of [agent]
MetricName = tuple[str, str]  # (agent, name), such as ("agent_0", "loss/total"); agent "" is all


@partial(jax.tree_util.register_dataclass, data_fields=["table"], meta_fields=["names"])
@dataclass(frozen=True)
class Metrics:
    """Many named means in one array, [..., 2 x metric]: one array to compile, sum and fetch."""

    table: Float[Array, "..."]  # total, count, total, count, ...
    names: tuple[MetricName, ...]

    @classmethod
    def of(cls, means: dict[str, Any]) -> "Metrics":
        """Metrics of an update; those below `PER_AGENT` become one for each agent."""
        plain, each = _by_agent(means)
        # one stack: compile time grows with the number of operations
        table = jnp.stack([x for mean in plain.values() for x in mean])
        rows = [jnp.stack(mean, axis=-1).reshape(-1) for mean in each.values()]
        return cls(jnp.concatenate([table, *rows]) if rows else table, tuple(names_of(means)))

    def __getitem__(self, name: str | MetricName) -> Mean:
        i = 2 * self.names.index(("", name) if isinstance(name, str) else name)
        return Mean(self.table[..., i], self.table[..., i + 1])

    def items(self) -> Iterator[tuple[MetricName, Mean]]:
        return ((name, self[name]) for name in self.names)


def names_of(means: dict[str, Any]) -> Iterator[MetricName]:
    """(agent, name) of each metric in `Metrics.of(means)`; `means` may hold shapes only."""
    plain, each = _by_agent(means)
    yield from (("", name) for name in plain)
    for name, mean in each.items():
        yield from ((agent_name(i), name) for i in range(mean.total.shape[0]))


def agent_name(agent: int) -> str:
    return f"agent_{agent}"


def _by_agent(means: dict[str, Any]) -> tuple[dict[str, Mean], dict[str, Mean]]:
    """Metrics over all agents, and metrics of each agent."""
    return {k: mean for k, mean in means.items() if k != PER_AGENT}, means.get(PER_AGENT, {})


class PolicyState(NamedTuple):
    """Input of `PolicyFunctions.act`: parameters and normaliser statistics."""

    params: PyTree
    stats: PyTree


class TrainState(NamedTuple):
    """All that an algorithm needs to continue; what a run saves is `RunState`."""

    key: Key[Array, ""]  # of the seed, never spent: update u draws from fold_in(key, u)
    update: Int[Array, ""]  # updates done
    learner: Any  # the algorithm's own record; its field `params` is what the policy reads
    actor: Actor
    stats: Any  # normalisers
    hyper: Any  # numbers that a sweep or a population may vary: traced
    env_params: PyTree  # numbers that a curriculum may vary: traced
    rnd: Any = None  # random network distillation, where it is on
    imitation: dict[str, Array] | None = None  # metrics at the end of imitation, where it is on

    @property
    def policy_state(self) -> PolicyState:
        return PolicyState(self.learner.params, self.stats)


class Best(NamedTuple):
    """The policy with the best evaluation so far, as it was evaluated."""

    score: Float[Array, ""]  # -inf before the first evaluation
    update: Int[Array, ""]
    policy_state: PolicyState


class RunState(NamedTuple):
    """All that a run needs to continue, for one seed; seeds are a leading axis around it."""

    train: TrainState
    curriculum: PyTree  # stage and progress; () without a curriculum
    convergence: Any
    best: Best


class PolicyFunctions(NamedTuple):
    """Acting, for one observation: pure functions of a `PolicyState`.

    `act(key, policy_state, carry, obs, greedy) -> (env_action, carry)`; `value(policy_state, carry,
    obs) -> []`; `action_scores(policy_state, carry, obs)` scores each action, by the name of the
    score: `{"probability": [action]}` (0 for an illegal action), `{"action value": [action]}`
    (-inf for an illegal one).
    """

    act: Callable[..., tuple[jax.Array, PyTree]]
    initial_carry: PyTree = ()  # recurrent state at an episode's start; () without recurrence
    value: Callable[[PolicyState, PyTree, PyTree], jax.Array] | None = None
    action_scores: Callable[[PolicyState, PyTree, PyTree], dict[str, jax.Array]] | None = None
    # `explore(key, policy_state, carry, obs, epsilon) -> (env_action, carry)`: as in training, with
    # that probability of a random action; None where a policy itself is random
    explore: Callable[..., tuple[jax.Array, PyTree]] | None = None

    @property
    def recurrent(self) -> bool:
        return bool(jax.tree.leaves(self.initial_carry))

    def initial_carries(self, rows: int) -> PyTree:
        """`initial_carry` of many episodes, [row, ...]."""
        return jax.tree.map(
            lambda x: jnp.broadcast_to(x, (rows, *jnp.shape(x))), self.initial_carry
        )


class UpdateParts(NamedTuple):
    """An update cut at its rollout, so that agents of several algorithms can step together.

    `prepare(state, key) -> (context, noise)`: arrays for the rollout, noise [time, env, ...];
    `decide(state, context, noise, carry, obs) -> Decision` in every env; `learn(key, before, actor,
    experience, context) -> (state, metrics)` of a rollout, [time, env, ...], that began with the
    state `before` and ended with `actor`.
    """

    uses: tuple[str, str, str]  # names of the keys of `prepare`, of the rollout and of `learn`
    prepare: Callable[..., tuple[PyTree, PyTree]]
    decide: Callable[..., Decision]
    learn: Callable[..., tuple[Any, dict[str, Any]]]


class Algorithm(NamedTuple):
    """An algorithm as pure functions, as an optax optimiser is two.

    `init(key, env_params, hyper) -> TrainState`; `update(state) -> (state, metrics)` is one rollout
    and all the learning from it.
    """

    init: Callable[..., TrainState]
    update: Callable[[TrainState], tuple[TrainState, dict[str, Any]]]
    policy: PolicyFunctions
    hyper: Any  # defaults of `TrainState.hyper`, from the config
    steps_per_update: int  # env steps of one update: rollout_length x num_envs
    # None: cannot be trained beside agents of other algorithms
    parts: UpdateParts | None = None
