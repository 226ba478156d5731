"""Trained policies that come with the package: `preset:CartPole-v1/ppo` in place of a run's name.

Each is a run's folder without metrics, in `policies/<env>/<algo>`: config.yaml, score.json and one
checkpoint, of which only what acting needs is kept. `python -m benchmarks.policies` makes them.
"""

import json
from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError
from elsinore.validation import did_you_mean

PREFIX = "preset:"
FOLDER = Path(__file__).parent / "policies"
HOLDS = "policy"  # `holds` in the manifest of a checkpoint that has no more than a policy


def shipped_policies() -> dict[str, dict[str, Any]]:
    """The score of each policy by its name, such as `preset:CartPole-v1/ppo`: `mean`, `std`, `min`
    and `max` of the returns of `episodes` greedy episodes, and the `env_steps` that it learnt
    from."""
    found = sorted(FOLDER.glob("*/*/score.json"))
    return {
        f"{PREFIX}{path.parent.relative_to(FOLDER).as_posix()}": json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in found
    }


def is_shipped(name: Any) -> bool:
    """True for the name of a policy that comes with the package, or one that looks so."""
    return isinstance(name, str) and name.startswith(PREFIX)


def shipped_folder(name: str) -> Path:
    """The folder of the policy of that name.

    Raises:
        ConfigError: for a name that no policy has.
    """
    known = shipped_policies()
    if name not in known:
        closest = did_you_mean(name, known, label="there are")
        raise ConfigError(f"{name} does not come with elsinore{closest}")
    return FOLDER / name.removeprefix(PREFIX)


def refuse_shipped(path: Path, what: str) -> None:
    """Refuse to do what needs a whole run of one's folder.

    Raises:
        ConfigError: for a folder in the package.
    """
    if path.is_relative_to(FOLDER):
        name = f"{PREFIX}{path.relative_to(FOLDER).as_posix()}"
        raise ConfigError(
            f"{name} holds a policy and no more, so it cannot be {what}; begin a new run from it:"
            f" `elsinore train --from {name}`."
        )
