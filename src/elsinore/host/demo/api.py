"""A demo, from the training that it may need to its pictures."""

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from elsinore.envs.views import name_of
from elsinore.host import api
from elsinore.host.demo.album import Page, episode_of, make_album, replays_of_demo
from elsinore.host.demo.film import write_side_by_side
from elsinore.host.demo.learning import draw_learning
from elsinore.host.demo.portraits import Portrait, draw_portraits, portrait
from elsinore.host.demo.recipes import QUIET, Recipe, recipe_of
from elsinore.host.demo.show import show_progression, show_side_by_side
from elsinore.host.folder import RunFolder
from elsinore.host.result import Run


class Demo(NamedTuple):
    """A trained agent and its way there."""

    run: Run
    pages: list[Page]  # from the untrained agent on

    @property
    def limit(self) -> int:
        """Steps that an episode can have."""
        return int(self.run.plan.env_params.max_steps_in_episode)

    @property
    def title(self) -> str:
        return f"{name_of(self.run.plan.env)}, {self.run.experiment.algo.name}"

    @property
    def part(self) -> str:
        """The trained agent beside the untrained one, as the live page's address names a part of the run."""
        return f"Agents/{self.pages[-1].path.name}/{self.pages[0].path.name}"

    def portraits(self) -> list[Portrait]:
        return [portrait(page.label, episode_of(page)) for page in self.pages]

    def untrained_beside_trained(self, path: Path) -> Path:
        """A film of both, .gif or .mp4."""
        first, last = self.pages[0], self.pages[-1]
        both = [portrait(page.label, episode_of(page)) for page in (first, last)]
        write_side_by_side(_ready(path), both, self.title)
        return path

    def progression(self, path: Path) -> Path:
        """A strip: how the life at each moment ended."""
        strip = draw_portraits(self.portraits(), f"{self.title}: one life at each moment, of middling length")
        strip.save(_ready(path))
        return path

    def learning(self, path: Path) -> Path:
        """The curve, with the moments in it."""
        draw_learning(_ready(path), self.run, self.pages, self.title)
        return path

    def pictures(self, folder: Path) -> list[Path]:
        """All three, in a folder."""
        return [
            self.untrained_beside_trained(folder / "untrained-beside-trained.gif"),
            self.progression(folder / "progression.png"),
            self.learning(folder / "learning.png"),
        ]

    def show(self, console: Console) -> None:
        """The two side by side, then the table."""
        both = [portrait(page.label, episode_of(page)) for page in (self.pages[0], self.pages[-1])]
        show_side_by_side(both, console)
        show_progression(self.pages, console, self.limit)


def demo(name: str, *, runs_dir: str | Path = "runs") -> Demo:
    """The demo of that name, trained in `runs_dir`/demo-`name` unless it has been.

    Raises:
        ConfigError: for a name there is no demo of, or a run that cannot be gone on with.
    """
    recipe = recipe_of(name)
    run = _trained(recipe, f"demo-{name}", Path(runs_dir))
    return Demo(run, replays_of_demo(run.path) or make_album(run, recipe.episodes))


def _trained(recipe: Recipe, name: str, runs_dir: Path) -> Run:
    """The run, from wherever it had got to."""
    if RunFolder(runs_dir / name).config.is_file():
        return api.resume(name, runs_dir=runs_dir)
    return api.train(config=recipe.config, overrides=QUIET, name=name, runs_dir=runs_dir)


def _ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
