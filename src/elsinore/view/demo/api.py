"""`elsinore demo`: short trainings with figures, a film and a terminal view of the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from elsinore.arguments import checked
from elsinore.config.yaml_files import read_yaml
from elsinore.envs.view import env_name
from elsinore.errors import ConfigError, quoted, shown
from elsinore.runs import api
from elsinore.runs.checkpoints.match import NotAccepted
from elsinore.runs.files.whole_file import whole_file
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.destinations import destinations_in
from elsinore.runs.trust.named_code import code_in
from elsinore.view.demo.episodes import DemoEpisode, record_episodes, recorded_episodes
from elsinore.view.demo.learning import draw_learning
from elsinore.view.demo.show import show_progression, show_side_by_side
from elsinore.view.demo.side_by_side import (
    AgentColumn,
    agent_column,
    draw_side_by_side,
    write_side_by_side,
)

# No early stop; metrics go to the terminal and the run's database only.
OVERRIDES = {
    "convergence.enabled": False,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "replays.share": 0.0,
}


@dataclass(frozen=True)
class Recipe:
    """A training with one seed, and the numbers of finished episodes to take snapshots at."""

    config: Path
    episodes: tuple[int, ...] = (1, 100, 500, 1000)


HERE = Path(__file__).parent
RECIPES = {
    "hamlet": Recipe(HERE / "hamlet.yaml"),
    # solved after about 200 episodes
    "cartpole": Recipe(HERE / "cartpole.yaml", (1, 20, 50, 100, 500, 1000)),
}


class Demo(NamedTuple):
    """A trained run and recorded episodes of its snapshots."""

    run: Run
    episodes: list[DemoEpisode]  # the first is of the untrained agent

    @property
    def limit(self) -> int:
        """Time limit of an episode, in steps."""
        return int(self.run.plan.env_params.max_steps_in_episode)

    @property
    def title(self) -> str:
        return f"{env_name(self.run.plan.env)}, {self.run.experiment.algo.name}"

    @property
    def part(self) -> str:
        """The address of the trained and the untrained agent on the live page."""
        return f"Agents/{self.episodes[-1].path.name}/{self.episodes[0].path.name}"

    def columns(self) -> list[AgentColumn]:
        return [agent_column(episode.label, episode.load()) for episode in self.episodes]

    def untrained_beside_trained(self, path: Path) -> Path:
        """Write a film of the first and the last agent, .gif or .mp4."""
        write_side_by_side(_with_folder(path), self._first_and_last(), self.title)
        return path

    def progression(self, path: Path) -> Path:
        """Write an image of the last step of every episode, side by side."""
        title = f"{self.title}: the episode of median length at each snapshot"
        with whole_file(_with_folder(path)) as unfinished:
            draw_side_by_side(self.columns(), title).save(unfinished)
        return path

    def learning(self, path: Path) -> Path:
        """Write the learning curve with the snapshots."""
        draw_learning(_with_folder(path), self.run, self.episodes, self.title)
        return path

    def pictures(self, folder: Path) -> list[Path]:
        """Write the film and both figures into a folder."""
        return [
            self.untrained_beside_trained(folder / "untrained-beside-trained.gif"),
            self.progression(folder / "progression.png"),
            self.learning(folder / "learning.png"),
        ]

    def show(self, console: Console) -> None:
        """Play the first and the last agent side by side, then print the table of snapshots."""
        show_side_by_side(self._first_and_last(), console)
        show_progression(self.episodes, console, self.limit)

    def _first_and_last(self) -> list[AgentColumn]:
        both = (self.episodes[0], self.episodes[-1])
        return [agent_column(episode.label, episode.load()) for episode in both]


@checked
def demo(name: str, *, runs_dir: str | Path = "runs") -> Demo:
    """The demo of that name, trained in `runs_dir`/demo-`name` if necessary.

    Args:
        name: `hamlet` or `cartpole`.
        runs_dir: the folder of runs.

    Raises:
        ConfigError: for an unknown name, or an existing run that cannot be resumed or names code.
        KeyboardInterrupt: if its training was interrupted; the same call resumes it.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no demo {name!r}; choose {' or '.join(RECIPES)}.")
    recipe = RECIPES[name]
    run = _trained(recipe, f"demo-{name}", Path(runs_dir))
    if run.summary["stopped_by"] == "interrupted":
        raise KeyboardInterrupt(f"{run.name} was interrupted; the same call resumes it")
    return Demo(run, recorded_episodes(run) or record_episodes(run, recipe.episodes))


def _trained(recipe: Recipe, name: str, runs_dir: Path) -> Run:
    config = RunDir(runs_dir / name).config
    if config.is_file():
        _refuse_other_runs(config)
        try:
            return api.resume(name, runs_dir=runs_dir, fall_back=True)
        except NotAccepted as error:
            raise ConfigError(
                f"{error} Give it to `elsinore train --resume {quoted(runs_dir / name)}` (in"
                " Python, elsinore.resume), then give the demo's command again."
            ) from error
    return api.train(config=recipe.config, overrides=OVERRIDES, name=name, runs_dir=runs_dir)


def _refuse_other_runs(config: Path) -> None:
    data = read_yaml(config)
    if named := code_in(data) | destinations_in(data):
        setting, value = next(iter(named.items()))
        raise ConfigError(
            f"{shown(config)} is not a demo's, for it has {setting}={value!r}; rename its folder,"
            " or choose another with --runs-dir (in Python, runs_dir)."
        )


def _with_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
