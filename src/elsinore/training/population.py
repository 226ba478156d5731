"""The population axis: members that differ in their numbers, each trained with the same seeds.

Replica r of a run is seed r % seeds of member r // seeds, so a population is the seed axis with a
`hyper` of each member's own, and everything that holds of seeds holds of it. Population-based
training (Jaderberg 2017, arXiv:1711.09846) replaces bad members by copies of good ones,
with changed numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from elsinore import validation
from elsinore.algos.replay import truncate_running
from elsinore.config_records import record
from elsinore.experience.normalisation import Normalisers
from elsinore.jaxtools.prng import for_use
from elsinore.nets.network import reset_carry
from elsinore.types import RunState

# (stacked states, chunks done) -> new states, and metrics: [replica] each, NaN for none
PopulationStep = Callable[
    [RunState, Int[Array, ""]], tuple[RunState, dict[str, Float[Array, "replica"]]]
]


@record
class PBTConfig:
    """Every `period` chunks the worst `quantile` of members each copy one of the best `quantile`,
    drawn at random: its learner and its numbers, each of which is then multiplied by one of
    `perturb`, or with probability `resample` drawn afresh from its range."""

    period: int = 1  # Chunks between two selections.
    quantile: float = 0.25  # The share that is replaced, and copied; at least one member.
    perturb: tuple[float, ...] = (0.8, 1.25)  # Factors by which a copied number is changed.
    resample: float = 0.25  # The probability that a number is drawn afresh from its range.
    # The range of each number, such as {"algo.gamma": {"uniform": [0.9, 1.0]}}.
    space: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        validation.counts(self, 1, "period")
        validation.in_unit_interval(self, "resample")
        if not 0.0 < self.quantile <= 0.5:
            raise ValueError(f"quantile={self.quantile} must be above 0 and at most 0.5.")
        if not self.perturb or not all(0.0 < x < float("inf") for x in self.perturb):
            raise ValueError(
                f"perturb={list(self.perturb)} must hold factors above 0, such as [0.8, 1.25]."
            )

    def replaced(self, members: int) -> int:
        """The number of members that are replaced, rounded down: 29 of 100 for 0.29, whose product
        is 28.999999999999996."""
        return max(1, int(round(self.quantile * members, 9)))


@dataclass(frozen=True)
class Number:
    """A hyperparameter that evolves within a range."""

    name: str  # the setting's, in metrics
    fields: tuple[str, ...]  # of the hyper record: the number's own, and those that follow it
    low: float
    high: float
    log: bool  # drawn uniformly in its logarithm

    def draw(self, unit: Float[Array, "..."]) -> Float[Array, "..."]:
        """Map [0, 1) to the range."""
        if self.log:
            return self.low * (self.high / self.low) ** unit
        return self.low + (self.high - self.low) * unit


@dataclass(frozen=True)
class Population:
    """Replica r of a stacked state is seed r % seeds of member r // seeds; what comes after those
    is padding."""

    members: int
    seeds: int
    mode: str = "max"  # max | min: which evaluations are better

    @property
    def replicas(self) -> int:
        return self.members * self.seeds

    def by_member(self, x: Shaped[Array, "replica ..."]) -> Shaped[Array, "member seed ..."]:
        """[replica, ...] as [member, seed, ...]."""
        return x[: self.replicas].reshape(self.members, self.seeds, *x.shape[1:])

    def to_replicas(
        self, x: Shaped[Array, "member"], padding: Shaped[Array, "replica"]
    ) -> Shaped[Array, "replica"]:
        """Repeat members' values for their seeds; `padding` fills the replicas after them."""
        return padding.at[: self.replicas].set(jnp.repeat(x, self.seeds).astype(padding.dtype))

    def scores(self, state: RunState) -> Float[Array, "member"]:
        """Score of each member, higher is better: mean over its seeds of their last evaluation.

        It is -inf if a seed has no score or has parameters that are not finite.
        """
        last = jnp.where(
            state.convergence.diverged_at >= 0, jnp.nan, state.convergence.history[:, 0]
        )
        score = jnp.mean(self.by_member(last), axis=1)
        return jnp.where(jnp.isnan(score), -jnp.inf, score if self.mode == "max" else -score)


def evolve(
    config: PBTConfig,
    numbers: tuple[Number, ...],
    population: Population,
    initial_carry: PyTree = (),
) -> PopulationStep:
    """Population-based training between chunks: a pure function of states and chunk;
    `initial_carry` is that of the policy, of one agent.

    Its metrics are `population/parent`, the member that was copied, and `hyper/<name>`.
    """

    def step(state: RunState, chunk: Int[Array, ""]) -> tuple[RunState, Float[Array, "replica"]]:
        key = jax.random.fold_in(for_use(state.train.key[0], "population"), chunk)
        parent = parents(key, population.scores(state), config.replaced(population.members))
        replaced = parent >= 0
        state = _copied(
            state,
            jnp.where(replaced, parent, jnp.arange(population.members)),
            population,
            initial_carry,
        )
        hyper = _explored(config, numbers, key, state.train.hyper, replaced, population)
        copied = jnp.where(replaced, parent.astype(jnp.float32), jnp.nan)
        return state._replace(train=state.train._replace(hyper=hyper)), population.to_replicas(
            copied, nothing(state)
        )

    def rest(state: RunState, chunk: Int[Array, ""]) -> tuple[RunState, Float[Array, "replica"]]:
        return state, nothing(state)

    def nothing(state: RunState) -> Float[Array, "replica"]:
        return jnp.full(state.train.update.shape, jnp.nan)

    def population_step(
        state: RunState, chunk: Int[Array, ""]
    ) -> tuple[RunState, dict[str, Float[Array, "replica"]]]:
        state, parent = jax.lax.cond(chunk % config.period == 0, step, rest, state, chunk)
        hyper = {f"hyper/{n.name}": getattr(state.train.hyper, n.fields[0]) for n in numbers}
        return state, {"population/parent": parent, **hyper}

    return population_step


def parents(key: Key[Array, ""], score: Float[Array, "member"], size: int) -> Int[Array, "member"]:
    """Parent of each member: one of the best `size` for the worst `size`, -1 for the others."""
    order = jnp.argsort(-score, stable=True)
    chosen = order[jax.random.randint(for_use(key, "parents"), (size,), 0, size)]
    return jnp.full(score.shape, -1).at[order[-size:]].set(chosen)


def _copied(
    state: RunState,
    source: Int[Array, "member"],
    population: Population,
    initial_carry: PyTree,
) -> RunState:
    """Copy each member's learner from its source; its key, envs and best policy stay.

    Seeds are copied one to one. A memory begins anew, since it is of the network before. The
    convergence state is copied, so a diverged member restarts. Of that one all but the key and the
    best policy is copied: its envs, carries and exploration bonus may hold numbers that are not
    finite, from which the copy would diverge, too.
    """
    replica = jnp.arange(state.train.update.shape[0])
    source = population.to_replicas(source, replica) * population.seeds + replica % population.seeds
    source = jnp.where(replica < population.replicas, source, replica)
    copied, parents = source != replica, jax.tree.map(lambda x: x[source], state)
    diverged = copied & (state.convergence.diverged_at >= 0)

    def if_diverged(own: Shaped[Array, "replica ..."], parents: Array) -> Array:
        return jnp.where(diverged.reshape(-1, *[1] * (own.ndim - 1)), parents, own)

    kept = jax.tree.map(if_diverged, state, parents)
    carry = reset_carry(copied & ~diverged, initial_carry, kept.train.actor.carry)
    train = kept.train._replace(
        key=state.train.key,
        actor=kept.train.actor._replace(carry=carry),
        learner=_followed_by_others(parents.train.learner, copied & ~diverged),
        stats=_of_own_envs(parents.train.stats, kept.train.stats),
        hyper=parents.train.hyper,
        update=parents.train.update,
    )
    return RunState(train, kept.curriculum, parents.convergence, state.best)


def _of_own_envs(stats: PyTree, own: PyTree) -> PyTree:
    """Normalisers of a copy, with the running returns of the member's `own` envs, which stay."""

    def one(stats: Any, own: Any) -> Any:
        is_ours = isinstance(stats, Normalisers)
        return stats._replace(running_return=own.running_return) if is_ours else stats

    return jax.tree.map(one, stats, own, is_leaf=lambda x: isinstance(x, Normalisers))


def _followed_by_others(learner: Any, copied: Bool[Array, "replica"]) -> Any:
    """Truncate the running episodes in the buffers of `copied` learners, whose environments are not
    those of the buffer."""

    def followed(learner: Any, copied: Bool[Array, ""]) -> Any:
        return truncate_running(learner, copied)

    return jax.vmap(followed)(learner, copied)


def _explored(
    config: PBTConfig,
    numbers: tuple[Number, ...],
    key: Key[Array, ""],
    hyper: PyTree,
    replaced: Bool[Array, "member"],
    population: Population,
) -> PyTree:
    """The numbers of the members that were replaced, perturbed or drawn afresh, within their
    ranges."""
    for number in numbers:
        draw_key, choice_key, factor_key = (
            for_use(key, f"{number.name} {use}") for use in ("draw", "choice", "factor")
        )
        shape = (population.members,)
        old = getattr(hyper, number.fields[0])
        factor = jax.random.choice(factor_key, jnp.array(config.perturb), shape)
        perturbed = jnp.clip(population.by_member(old)[:, 0] * factor, number.low, number.high)
        afresh = jax.random.uniform(choice_key, shape) < config.resample
        new = jnp.where(afresh, number.draw(jax.random.uniform(draw_key, shape)), perturbed)
        new = population.to_replicas(jnp.where(replaced, new, population.by_member(old)[:, 0]), old)
        hyper = hyper._replace(**dict.fromkeys(number.fields, new))
    return hyper
