"""Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943): freeze the worse members
of a population early, so that their time goes to the others."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from elsinore import validation
from elsinore.config_records import record
from elsinore.training.population import Population, PopulationStep
from elsinore.types import RunState


@record
class HalvingConfig:
    """At each of `rungs` chunk boundaries, a factor `eta` apart and the last a factor `eta` before
    the end, the best 1 / eta of the remaining members continue and the others are frozen."""

    eta: int = 3  # One member in eta continues at each rung.
    rungs: int = 3  # The number of selections.

    def __post_init__(self) -> None:
        validation.counts(self, 2, "eta")
        validation.counts(self, 1, "rungs")


def rungs_of(config: HalvingConfig, num_chunks: int) -> list[int]:
    """Chunks done at each rung.

    Raises:
        ValueError: if a run has too few chunks for its rungs to differ.
    """
    number = min(config.rungs, num_chunks)  # no more can differ
    rungs = [-(-num_chunks // config.eta**i) for i in range(number, 0, -1)]
    if any(a >= b for a, b in zip(rungs, [*rungs[1:], num_chunks], strict=True)):
        raise ValueError(
            f"rungs={config.rungs} with eta={config.eta} do not fit into {num_chunks} chunks (at"
            f" {rungs}); lower rungs or eta, or evaluate more often with a smaller"
            " evaluation.period."
        )
    return rungs


def survivors_of(config: HalvingConfig, members: int) -> list[int]:
    """Members that continue after each rung: at least one."""
    left = []
    for _ in range(config.rungs):
        members = -(-members // config.eta)
        left.append(members)
    return left


def halve(config: HalvingConfig, population: Population, num_chunks: int) -> PopulationStep:
    """Freeze the worse members at each rung: a pure function of states and chunk.

    It has no metrics; `convergence.pruned_at` has the update.

    Raises:
        ValueError: if a run has too few chunks for its rungs to differ.
    """
    rungs = jnp.array(rungs_of(config, num_chunks))
    left = jnp.array(survivors_of(config, population.members))

    def population_step(state: RunState, chunk: Int[Array, ""]) -> tuple[RunState, dict]:
        convergence = state.convergence
        frozen = population.by_member(convergence.pruned_at >= 0)[:, 0]
        # best first, and frozen ones last
        order = jnp.lexsort((-population.scores(state), frozen))
        place = jnp.zeros_like(order).at[order].set(jnp.arange(population.members))
        at_rung = rungs == chunk
        num_left = jnp.where(
            at_rung.any(), jnp.sum(jnp.where(at_rung, left, 0)), population.members
        )
        pruned = population.to_replicas(place >= num_left, convergence.pruned_at >= 0)
        pruned_at = jnp.where(
            pruned & (convergence.pruned_at < 0), state.train.update, convergence.pruned_at
        )
        return state._replace(convergence=convergence._replace(pruned_at=pruned_at)), {}

    return population_step
