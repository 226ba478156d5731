"""Curriculum settings: a list of stages, or a ladder of them."""

import math
from collections import Counter
from dataclasses import field, replace
from typing import Any

from elsinore import validation
from elsinore.config_records import record
from elsinore.training.curriculum.conditions import Rule


@record
class StageConfig:
    """Changes to the experiment's env parameters, and the rules for leaving the stage."""

    name: str = ""  # The stage's name; empty is its number, from 0.
    # Values of the environment's parameters in this stage, such as {"drain": 0.2}.
    params: dict[str, Any] = field(default_factory=dict)
    advance_when: Rule | None = None  # The rule for the next stage; null is the curriculum's.
    retreat_when: Rule | None = None  # The rule for the stage before; null is the curriculum's.


@record
class LadderConfig:
    """A stage for each value of one parameter: initial, initial + increment, and so on up to the
    maximum."""

    param: str  # The environment's parameter that differs between the stages.
    initial: float  # Its value in the first stage.
    increment: float = 1.0  # The step from one stage to the next.
    maximum: float  # Its value in the last stage.

    def __post_init__(self) -> None:
        if not 0.0 < self.increment < float("inf"):
            raise ValueError(f"increment={self.increment} must be above 0.")
        if not self.initial <= self.maximum < float("inf"):
            raise ValueError(
                f"maximum={self.maximum} must be finite and not below initial={self.initial}."
            )
        if self.maximum - self.initial > 1000 * self.increment:
            raise ValueError(f"increment={self.increment} makes more than 1000 stages; raise it.")

    @property
    def stages(self) -> tuple[StageConfig, ...]:
        return tuple(
            StageConfig(name=f"{self.param}={x:.10g}", params={self.param: x}) for x in self.values
        )

    @property
    def values(self) -> list[float]:
        below = math.ceil((self.maximum - self.initial) / self.increment - 1e-9)
        return [*(self.initial + i * self.increment for i in range(below)), self.maximum]


@record
class CurriculumConfig:
    """The stages, in order. A stage without a rule uses the curriculum's."""

    stages: tuple[StageConfig, ...] = ()  # The stages, in order.
    ladder: LadderConfig | None = None  # A ladder of stages instead of a list.
    advance_when: Rule | None = None  # The rule for going to the next stage.
    # The rule for going to the stage before, tried first; null: never.
    retreat_when: Rule | None = None
    # target | stage: evaluate with the experiment's env parameters or with the stage's.
    evaluate_on: str = "target"

    def __post_init__(self) -> None:
        if bool(self.stages) == (self.ladder is not None):
            raise ValueError(
                f"stages={list(self.stages)!r} must hold stages, or ladder describe them; one of"
                " the two."
            )
        validation.one_of(self, "evaluate_on", "target", "stage")
        name, times = Counter(stage.name for stage in self.all_stages).most_common(1)[0]
        if times > 1:
            raise ValueError(
                f"stages={[stage.name for stage in self.all_stages]} has {name!r} twice; name them"
                " apart."
            )

    @property
    def all_stages(self) -> tuple[StageConfig, ...]:
        """Every stage with its name and rules; the first has no retreat, the last no advance."""
        given = self.stages if self.ladder is None else self.ladder.stages
        last = len(given) - 1
        return tuple(
            replace(
                stage,
                name=stage.name or str(i),
                advance_when=(stage.advance_when or self.advance_when) if i < last else None,
                retreat_when=(stage.retreat_when or self.retreat_when) if i > 0 else None,
            )
            for i, stage in enumerate(given)
        )
