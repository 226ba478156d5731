"""Nim with one heap: a game of two players whose best play is known."""

from elsinore.envs.registry import EnvFamily

FAMILY = EnvFamily(
    names=("Nim",),
    make="elsinore.worlds.nim.env:make_nim",
    presets="elsinore.worlds.nim.presets:PRESETS",
)
