"""Curricula: the stage of each seed, decided on the device from its finished episodes.

A stage changes numbers of the env parameters, which are traced: changing stage never recompiles.
`conditions` are rules as data; `judge` evaluates them; `stages` moves along them and defines
`Curriculum`, the interface of custom ones; `with_curriculum` adds one to an algorithm's updates;
`config` is the form in a settings file.
"""

from elsinore.training.curriculum.stages import Curriculum, RolloutOutcome, StageState, staged

__all__ = ["Curriculum", "RolloutOutcome", "StageState", "staged"]
