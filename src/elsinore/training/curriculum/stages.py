"""Curricula as pure functions: the env parameters of each stage, and when to change stage."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from elsinore.envs.time_limit import time_limits
from elsinore.experience.episode_stats import EpisodeStats
from elsinore.training.curriculum.conditions import Rule
from elsinore.training.curriculum.judge import Evidence, holds, measured
from elsinore.types import Mean


class RolloutOutcome(NamedTuple):
    """Result of one update, which `Curriculum.advance` reads."""

    episode_stats: EpisodeStats  # the last episodes that began and ended at the present stage
    metrics: dict[str, Mean]  # of the update
    update: Int[Array, ""]  # updates done
    steps_per_update: int
    env_params: PyTree  # of the present stage
    policy_state: Any = None  # after the update
    # of the update, shared by the shards: draw from `for_use(key, NAME)`, with a name of your own
    key: Any = None


class Curriculum(NamedTuple):
    """`begin(env_params) -> (stage_state, env_params)` turns the experiment's parameters into the
    first stage's; `advance(stage_state, outcome) -> (stage_state, env_params, score)` runs after
    each update, with `score` a `Mean` for plots.

    `stage_state` is any record with a field `stage`, an int32 from 0 to `num_stages` - 1. A change
    of `stage` clears the episode statistics, and running episodes do not count.
    """

    begin: Callable[[PyTree], tuple[Any, PyTree]]
    advance: Callable[[Any, RolloutOutcome], tuple[Any, PyTree, Mean]]
    num_stages: int
    # of each episode; another name is of the env's `info`
    recorded: tuple[str, ...] = ("return", "length")
    window: int = 100  # episodes
    # target: the experiment's own parameters | stage: those of the present stage
    evaluate_on: str = "target"
    score_name: str = "curriculum/score"  # the metric that has the score
    has_stages: bool = True  # False: it has one, of which nothing is reported


class StageState(NamedTuple):
    """Stage of a seed."""

    stage: Int[Array, ""]
    since: Int[Array, ""]  # the update after which the stage began
    # Newest value of each update metric that a rule reads, NaN before the first. Not one array: an
    # empty array sharded over CPU devices crashes XLA (jax 0.11.2).
    metrics: tuple[Float[Array, ""], ...] = ()


@dataclass(frozen=True)
class Stages:
    """Env parameters of each stage, and the rules for leaving it."""

    params: dict[str, Array]  # those that differ, [stage, ...] each
    advance: tuple[Rule | None, ...]  # to the next stage; None: never
    retreat: tuple[Rule | None, ...]  # to the one before
    # of a uniform policy, if a rule reads `entropy`
    max_entropy: float = float("nan")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Each rule once."""
        return tuple(
            dict.fromkeys(rule for rule in (*self.advance, *self.retreat) if rule is not None)
        )

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of what is recorded of each episode: at least one, since episodes are counted."""
        names = (leaf.recorded for rule in self.rules for _, leaf in rule.leaves())
        return tuple(dict.fromkeys(name for name in names if name is not None)) or ("length",)

    @property
    def of_updates(self) -> tuple[str, ...]:
        """The metrics of an update that rules read."""
        names = (leaf.of_update for rule in self.rules for _, leaf in rule.leaves())
        return tuple(dict.fromkeys(name for name in names if name is not None))


def staged(stages: Stages, evaluate_on: str = "target") -> Curriculum:
    """Curriculum that moves by rules, `retreat` before `advance`; no rule: no move that way."""
    last = len(stages.advance) - 1

    def params_at(stage: Any, env_params: PyTree) -> PyTree:
        return env_params.replace(**{name: table[stage] for name, table in stages.params.items()})

    def begin(env_params: PyTree) -> tuple[StageState, PyTree]:
        metrics = tuple(jnp.float32(jnp.nan) for _ in stages.of_updates)
        return StageState(jnp.int32(0), jnp.int32(0), metrics), params_at(0, env_params)

    def advance(
        stage_state: StageState, outcome: RolloutOutcome
    ) -> tuple[StageState, PyTree, Mean]:
        known = zip(stages.of_updates, stage_state.metrics, strict=True)
        metrics = tuple(_newest(outcome.metrics[name], old) for name, old in known)
        evidence = Evidence(
            outcome.episode_stats,
            outcome.update - stage_state.since,
            outcome.steps_per_update,
            dict(zip(stages.of_updates, metrics, strict=True)),
            jnp.max(jnp.asarray(time_limits(outcome.env_params, jnp.inf))),
            stages.max_entropy,
        )
        back = _verdict(stages.retreat, stage_state.stage, evidence)
        on = _verdict(stages.advance, stage_state.stage, evidence)
        stage = jnp.clip(stage_state.stage + jnp.where(back, -1, on.astype(jnp.int32)), 0, last)
        since = jnp.where(stage == stage_state.stage, stage_state.since, outcome.update)
        score = _score(stages.advance, stage_state.stage, evidence)
        return StageState(stage, since, metrics), params_at(stage, outcome.env_params), score

    window = max((rule.window for rule in stages.rules), default=1)
    return Curriculum(begin, advance, last + 1, stages.recorded, window, evaluate_on)


def _newest(mean: Mean, old: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(mean.count > 0, mean.total / jnp.maximum(mean.count, 1.0), old)


def _verdict(
    rules: tuple[Rule | None, ...], stage: Int[Array, ""], evidence: Evidence
) -> Bool[Array, ""]:
    """True where the present stage's rule holds."""
    known = tuple(dict.fromkeys(rules))  # one branch for all the stages that have the same rule
    branches = [
        lambda rule=rule: jnp.bool_(False) if rule is None else holds(rule, evidence)
        for rule in known
    ]
    return _present(branches, [known.index(rule) for rule in rules], stage)


def _score(rules: tuple[Rule | None, ...], stage: Int[Array, ""], evidence: Evidence) -> Mean:
    """Value of the first condition of the present stage's rule; count 0 while it is unknown. The
    last stage uses the rule of the stage before."""

    def score(rule: Rule | None) -> Mean:
        leaf = None if rule is None else rule.first()
        if rule is None or leaf is None:
            return Mean(jnp.float32(0.0), jnp.float32(0.0))
        value, count = measured(leaf, rule.window, evidence)
        known = (count > 0).astype(jnp.float32)
        return Mean(jnp.where(known > 0, value, 0.0), known)

    rules = (*rules[:-1], rules[-1] or rules[max(len(rules) - 2, 0)])
    known = tuple(dict.fromkeys(rules))
    branches = [lambda rule=rule: score(rule) for rule in known]
    return _present(branches, [known.index(rule) for rule in rules], stage)


def _present(branches: list[Callable], branch_of: list[int], stage: Int[Array, ""]) -> Any:
    """Run the branch of the present stage."""
    return (
        jax.lax.switch(jnp.asarray(np.array(branch_of))[stage], branches)
        if len(branches) > 1
        else branches[0]()
    )
