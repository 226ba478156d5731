"""Presets: settings that are known to work, by `<algorithm>/<environment>`; `docs/results.md` has
their results, and docs/balatro.md, docs/cache.md and docs/how-to/self-play.md (Nim) those of these
worlds.

Each preset holds only what differs from the algorithm's defaults. Plug-ins add presets of their
environments.
"""

from collections.abc import Mapping
from typing import Any

from elsinore.config.mappings import dotted
from elsinore.config.presets import a2c, dqn, dqn_variants, ppo, pqn, sac, suites, td3
from elsinore.envs.object_names import OBJECT
from elsinore.envs.registry import families
from elsinore.imports import import_object

_BY_ALGO = {
    "ppo": ppo.PRESETS,
    "a2c": a2c.PRESETS,
    "dqn": dqn.PRESETS,
    "pqn": pqn.PRESETS,
    "sac": sac.PRESETS,
    "td3": td3.PRESETS,
    **dqn_variants.PRESETS,
}

PRESETS: dict[str, dict[str, Any]] = {
    f"{algo}/{env}": settings
    for algo, presets in _BY_ALGO.items()
    for env, settings in presets.items()
} | suites.PRESETS
for _package, _family in families().items():
    if _family.presets is not None:
        PRESETS |= import_object(_family.presets, f"presets of {_package}")


SAME_GAMES = {  # of another library and of gymnax
    "gym/CartPole-v1": "CartPole-v1",
    "gym/Acrobot-v1": "Acrobot-v1",
    "gym/Pendulum-v1": "Pendulum-v1",
    "gym/MountainCar-v0": "MountainCar-v0",
    "gym/MountainCarContinuous-v0": "MountainCarContinuous-v0",
    "pgx/minatar-asterix": "Asterix-MinAtar",
    "pgx/minatar-breakout": "Breakout-MinAtar",
    "pgx/minatar-freeway": "Freeway-MinAtar",
    "pgx/minatar-space_invaders": "SpaceInvaders-MinAtar",
}


def algorithm_behind(name: Any) -> Any:
    """The algorithm of a name that stands for one with some of its options, such as `rainbow`; any
    other name as it is."""
    return "dqn" if isinstance(name, str) and name in dqn_variants.OPTIONS else name


def preset(name: str) -> dict[str, Any]:
    """The preset of that name, or an empty one.

    A name such as `rainbow/Catch-bsuite`, which no preset has, is the preset of its algorithm with
    its options. Gymnasium's classic control and Pgx's MinAtar have the presets of gymnax's, and an
    object of gymnax's has that of its name.
    """
    algo, _, env = name.partition("/")
    env = SAME_GAMES.get(env, env if "/" in env else env.removesuffix(OBJECT))
    name = f"{algo}/{env}"
    if name in PRESETS or algo not in dqn_variants.OPTIONS:
        return PRESETS.get(name, {})
    return dqn_variants.with_options(algo, PRESETS.get(f"{algorithm_behind(algo)}/{env}", {}))


def closest_preset(algo: str, env: str, settings: Mapping[str, Any]) -> str:
    """The name of the preset, of an algorithm or of one of its variants such as `rainbow`, from
    which the algorithm's settings, by dotted name, differ least; among equals the one that says
    most."""

    def distance(name: str) -> tuple[int, int]:
        wanted = dotted(preset(f"{name}/{env}").get("algo", {}))
        return sum(settings.get(key) != value for key, value in wanted.items()), -len(wanted)

    variants = [name for name in dqn_variants.OPTIONS if algorithm_behind(name) == algo]
    if not preset(f"{algo}/{env}"):
        variants = [name for name in variants if f"{name}/{env}" in PRESETS]
    return f"{min((algo, *variants), key=distance)}/{env}"
