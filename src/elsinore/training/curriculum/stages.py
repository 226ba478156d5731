"""A curriculum: pure functions that say what world a seed is in, and when it goes to another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from elsinore.experience.outcomes import Outcomes
from elsinore.training.curriculum.conditions import Rule
from elsinore.training.curriculum.judge import Evidence, holds, measured
from elsinore.types import Mean


class Lived(NamedTuple):
    """What is known after an update."""

    outcomes: Outcomes  # the last episodes that began and ended at the present stage
    metrics: dict[str, Mean]  # what the update told
    update: Int[Array, ""]  # updates done
    steps_per_update: int
    env_params: PyTree  # of the present stage


class Curriculum(NamedTuple):
    """`begin(env_params) -> (course, env_params)`, where the experiment's parameters become the first stage's, and
    `advance(course, lived) -> (course, env_params, score)` after each update, where `score` is a `Mean` for plots.

    A course is any record with a field `stage`, an int32 from 0 to `num_stages` - 1. Where it changes, the outcomes
    are forgotten, and episodes that are running do not count.
    """

    begin: Callable[[PyTree], tuple[Any, PyTree]]
    advance: Callable[[Any, Lived], tuple[Any, PyTree, Mean]]
    num_stages: int
    recorded: tuple[str, ...] = ("return", "length")  # of each episode; another name is of the world's `info`
    window: int = 100  # episodes remembered
    evaluate_on: str = "target"  # target: the experiment's own parameters | stage: those of the present stage


class Course(NamedTuple):
    """Where a seed is in stages."""

    stage: Int[Array, ""]
    since: Int[Array, ""]  # the update after which the stage began
    # The newest value of each metric of an update that a rule asks for, NaN where there is none yet. No array of all:
    # of no numbers, and sharded over CPU devices, it makes XLA crash (jax 0.11.2).
    told: tuple[Float[Array, ""], ...] = ()


@dataclass(frozen=True)
class Stages:
    """A course to be followed: for each stage what the world's parameters are, and the rules for leaving it."""

    params: dict[str, Array]  # those that differ, [stage, ...] each
    advance: tuple[Rule | None, ...]  # to the next stage; None: never
    retreat: tuple[Rule | None, ...]  # to the one before
    max_entropy: float = float("nan")  # of a policy without a preference, where a rule asks for `entropy`

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Each rule once."""
        return tuple(dict.fromkeys(rule for rule in (*self.advance, *self.retreat) if rule is not None))

    @property
    def recorded(self) -> tuple[str, ...]:
        """What has to be known of each episode; never nothing, since episodes are counted."""
        names = (leaf.recorded for rule in self.rules for _, leaf in rule.leaves())
        return tuple(dict.fromkeys(name for name in names if name is not None)) or ("length",)

    @property
    def of_updates(self) -> tuple[str, ...]:
        """The metrics of an update that rules ask for."""
        names = (leaf.of_update for rule in self.rules for _, leaf in rule.leaves())
        return tuple(dict.fromkeys(name for name in names if name is not None))


def staged(stages: Stages, evaluate_on: str = "target") -> Curriculum:
    """Stage after stage. Going back is tried first; a stage without a rule is not left that way."""
    last = len(stages.advance) - 1

    def world(stage, env_params: PyTree) -> PyTree:
        return env_params.replace(**{name: table[stage] for name, table in stages.params.items()})

    def begin(env_params: PyTree) -> tuple[Course, PyTree]:
        told = tuple(jnp.float32(jnp.nan) for _ in stages.of_updates)
        return Course(jnp.int32(0), jnp.int32(0), told), world(0, env_params)

    def advance(course: Course, lived: Lived) -> tuple[Course, PyTree, Mean]:
        asked = zip(stages.of_updates, course.told, strict=True)
        told = tuple(_newest(lived.metrics[name], old) for name, old in asked)
        evidence = Evidence(
            lived.outcomes, lived.update - course.since, lived.steps_per_update,
            dict(zip(stages.of_updates, told, strict=True)),
            jnp.max(getattr(lived.env_params, "max_steps_in_episode", jnp.inf)), stages.max_entropy,
        )  # fmt: skip
        back = _verdict(stages.retreat, course.stage, evidence)
        on = _verdict(stages.advance, course.stage, evidence)
        stage = jnp.clip(course.stage + jnp.where(back, -1, on.astype(jnp.int32)), 0, last)
        since = jnp.where(stage == course.stage, course.since, lived.update)
        score = _score(stages.advance, course.stage, evidence)
        return Course(stage, since, told), world(stage, lived.env_params), score

    window = max((rule.window for rule in stages.rules), default=1)
    return Curriculum(begin, advance, last + 1, stages.recorded, window, evaluate_on)


def _newest(mean: Mean, old: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(mean.count > 0, mean.total / jnp.maximum(mean.count, 1.0), old)


def _verdict(rules: tuple[Rule | None, ...], stage: Int[Array, ""], evidence: Evidence) -> Array:
    """Whether the present stage's rule holds."""
    known = tuple(dict.fromkeys(rules))  # one branch for all the stages that have the same rule
    branches = [lambda rule=rule: jnp.bool_(False) if rule is None else holds(rule, evidence) for rule in known]
    return _present(branches, [known.index(rule) for rule in rules], stage)


def _score(rules: tuple[Rule | None, ...], stage: Int[Array, ""], evidence: Evidence) -> Mean:
    """What the present stage's rule looks at first, as far as it is known; the last stage keeps to the one before."""

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
    """What the present stage's branch gives."""
    return jax.lax.switch(jnp.asarray(np.array(branch_of))[stage], branches) if len(branches) > 1 else branches[0]()
