"""Presets: settings that are known to work, by `<algorithm>/<environment>`; `docs/results.md` has
their results.

Each preset holds only what differs from the algorithm's defaults. Plug-ins add presets of their
environments.
"""

from typing import Any

from elsinore.config.presets import a2c, dqn, ppo, pqn, sac, td3
from elsinore.envs.registry import families
from elsinore.validation import import_object

_BY_ALGO = {
    "ppo": ppo.PRESETS,
    "a2c": a2c.PRESETS,
    "dqn": dqn.PRESETS,
    "pqn": pqn.PRESETS,
    "sac": sac.PRESETS,
    "td3": td3.PRESETS,
}

PRESETS: dict[str, dict[str, Any]] = {
    f"{algo}/{env}": settings
    for algo, presets in _BY_ALGO.items()
    for env, settings in presets.items()
}
for _package, _family in families().items():
    if _family.presets is not None:
        PRESETS |= import_object(_family.presets, f"presets of {_package}")


def preset(name: str) -> dict[str, Any]:
    """The preset of that name, or an empty one."""
    return PRESETS.get(name, {})
