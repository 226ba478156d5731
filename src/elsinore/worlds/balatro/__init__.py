"""Balatro: poker hands, jokers and rising targets, on arrays of fixed shape. Environments
`Balatro-stage0` to `Balatro-stage4`.

`rules/` is the game, independent of agents; `env` combines it with `actions`, `observation` and
`rewards`.
"""

from elsinore.envs.registry import EnvFamily

FAMILY = EnvFamily(
    names=tuple(f"Balatro-stage{stage}" for stage in range(5)),
    make="elsinore.worlds.balatro.env:make_balatro",
    presets="elsinore.worlds.balatro.presets:PRESETS",
)
