"""Settings that are known to work, by `<algorithm>/<environment>`; `docs/results.md` has what they reach.

Each says only what differs from the algorithm's defaults, and how it was found.
"""

from typing import Any

from elsinore.config.presets import a2c, dqn, ppo, pqn

PRESETS: dict[str, dict[str, Any]] = {
    f"{algo}/{env}": settings
    for algo, presets in (("ppo", ppo.PRESETS), ("a2c", a2c.PRESETS), ("dqn", dqn.PRESETS), ("pqn", pqn.PRESETS))
    for env, settings in presets.items()
}


def preset(name: str) -> dict[str, Any]:
    """The preset of that name, or nothing special."""
    return PRESETS.get(name, {})
