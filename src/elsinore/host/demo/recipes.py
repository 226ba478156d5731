"""What a demo trains: a world that is learnt in a minute, and the moments that are worth a look."""

from dataclasses import dataclass
from pathlib import Path

from elsinore.config.build import ConfigError

# No seed stops early, and nothing is told but to the terminal and the run's own database.
QUIET = {"convergence.enabled": False, "sinks.mlflow.enabled": False, "sinks.tensorboard": False, "replays.share": 0.0}


@dataclass(frozen=True)
class Recipe:
    """A run of one seed, as a file describes it."""

    config: Path
    episodes: tuple[int, ...] = (1, 100, 500, 1000)  # finished in training; the end is looked at as well


HERE = Path(__file__).parent
RECIPES = {
    "hamlet": Recipe(HERE / "hamlet.yaml"),
    "cartpole": Recipe(HERE / "cartpole.yaml", (1, 20, 50, 100, 500, 1000)),  # balanced after some two hundred
}


def recipe_of(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: where there is none.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no demo {name!r}; choose {' or '.join(RECIPES)}.")
    return RECIPES[name]
