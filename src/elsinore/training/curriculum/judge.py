"""Evaluation of rules in the compiled program."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.experience.episode_stats import EpisodeStats
from elsinore.training.curriculum.conditions import BOUNDS, Condition, Rule


class Evidence(NamedTuple):
    """Inputs of a rule."""

    episode_stats: EpisodeStats
    updates: Int[Array, ""]  # at this stage
    steps_per_update: int
    # newest value of each update metric that a rule reads; NaN: none yet
    metrics: dict[str, Float[Array, ""]]
    max_steps: Float[Array, ""] | Int[Array, ""]  # an episode's time limit at this stage
    max_entropy: float  # of a uniform policy


def holds(rule: Rule, evidence: Evidence) -> Bool[Array, ""]:
    """True where the stage has lasted long enough and the rule's condition, if any, is met."""
    min_updates = -(-rule.min_steps // evidence.steps_per_update)
    lasted = (evidence.updates >= min_updates) & (evidence.episode_stats.num >= rule.min_episodes)
    return lasted & _is_met(rule, rule.window, evidence)


def _is_met(condition: Condition, window: int, evidence: Evidence) -> Bool[Array, ""]:
    if condition.any:
        return jnp.stack([_is_met(part, window, evidence) for part in condition.any]).any()
    if condition.all:
        return jnp.stack([_is_met(part, window, evidence) for part in condition.all]).all()
    if condition.metric is None:
        return jnp.bool_(True)
    value, count = measured(condition, window, evidence)
    known = count >= window if condition.is_of_episodes else count > 0
    return jnp.stack(
        [known, *(BOUNDS[name](value, bound) for name, bound in condition.bounds.items())]
    ).all()


def measured(
    condition: Condition, window: int, evidence: Evidence
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Value that a condition with a metric bounds, and its count of samples: 0 while unknown."""
    if condition.metric == "steps":
        return evidence.updates.astype(jnp.float32) * evidence.steps_per_update, jnp.int32(1)
    if condition.metric == "episodes":
        return evidence.episode_stats.num.astype(jnp.float32), jnp.int32(1)
    if (name := condition.of_update) is not None:
        value = evidence.metrics[name] / (
            evidence.max_entropy if condition.metric == "entropy" else 1.0
        )
        return value, jnp.isfinite(value).astype(jnp.int32)
    episode_stats, count = evidence.episode_stats, jnp.minimum(evidence.episode_stats.num, window)
    values = episode_stats.recent[episode_stats.names.index(condition.recorded)]
    value = STATISTIC_FUNCTIONS[condition.statistic](values, episode_stats.age, count)
    return value / (evidence.max_steps if condition.metric == "survival" else 1.0), count


def window_mean(
    values: Float[Array, "slot"], age: Int[Array, "slot"], count: Int[Array, ""]
) -> Float[Array, ""]:
    """Mean of the newest `count` values; 0 where there are none."""
    return jnp.sum(values, where=age < count) / jnp.maximum(count, 1)


def progress(
    values: Float[Array, "slot"], age: Int[Array, "slot"], count: Int[Array, ""]
) -> Float[Array, ""]:
    """Mean of the newer half of the newest `count` values, less that of the older half.

    An odd count leaves out the oldest.
    """
    half = count // 2
    older = jnp.sum(values, where=(age >= half) & (age < 2 * half)) / jnp.maximum(half, 1)
    return window_mean(values, age, half) - older


STATISTIC_FUNCTIONS = {"mean": window_mean, "progress": progress}
