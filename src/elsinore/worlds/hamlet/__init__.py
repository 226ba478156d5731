"""Hamlet: a grid world of meters that run down and affordances that refill them. Environments
`Hamlet-<level>`, and `Hamlet-custom` for a profile file."""

from elsinore.envs.registry import EnvFamily

LEVELS = ("classic4", "base6", "mood6", "L0_0", "L0_5", "L1", "L2", "L3")  # the files in worlds/

FAMILY = EnvFamily(
    names=tuple(f"Hamlet-{level}" for level in (*LEVELS, "custom")),
    make="elsinore.worlds.hamlet.env:make_hamlet",
    presets="elsinore.worlds.hamlet.presets:PRESETS",
)
