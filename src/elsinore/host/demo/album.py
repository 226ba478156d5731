"""The episodes of a demo: what the agent did at each moment, as replays in the run's folder."""

from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import max_steps_of
from elsinore.host import replays
from elsinore.host.demo.moments import Moment, lived_again, nearest, way_of
from elsinore.host.drawing.episode import Episode
from elsinore.host.folder import RunFolder
from elsinore.host.recorder import Recorder, episode_key
from elsinore.host.replays import Replay
from elsinore.host.result import Run
from elsinore.types import Acting

PLAYED = 15  # episodes at each moment, of which the middle one is kept


class Page(NamedTuple):
    """One moment of the album."""

    path: Path  # of the replay
    episodes: int  # that the agent had finished by then
    lengths: tuple[int, ...]  # of the episodes it was given, in steps
    returns: tuple[float, ...]
    is_last: bool

    @property
    def label(self) -> str:
        if self.episodes == 0:
            return "untrained"
        return f"after {self.episodes:,} episode{'s' if self.episodes > 1 else ''}"


def make_album(run: Run, episodes: tuple[int, ...]) -> list[Page]:
    """Play and keep an episode of the policy after each of these numbers of episodes, and of the last."""
    moments = nearest(way_of(run), episodes)
    plan, experiment = run.plan, run.experiment
    longest = max_steps_of(experiment, plan.env_params)
    recorder = Recorder(plan.program.algo, plan.env, longest, greedy=False)  # as it played while it learnt
    *way, _ = moments
    policies = chain(lived_again(run, [moment.update for moment in way]), [_last(run)])
    for moment, acting in zip(moments, policies, strict=True):
        replay = _middle(run, recorder, moment, acting)
        replays.write(replays.path_for(RunFolder(run.path).replays, replay), replay)
    return replays_of_demo(run.path)


def replays_of_demo(folder: str | Path) -> list[Page]:
    """What an album holds, from the untrained agent on; nothing where `folder` is no demo's run."""
    found = [(path, replays.about(path)) for path in replays.listed(RunFolder(Path(folder)).replays)]
    told = [(path, about["demo"]) for path, about in found if "demo" in about]
    return [
        Page(path, demo["episodes"], tuple(demo["lengths"]), tuple(demo["returns"]), i == len(told) - 1)
        for i, (path, demo) in enumerate(told)
    ]


def episode_of(page: Page) -> Episode:
    """The episode, to be looked at."""
    return Episode(replays.read(page.path))


def _last(run: Run) -> Acting:
    """The policy that the run ended with."""
    return jax.tree.map(lambda x: np.array(x[0]), run.state().train.acting)


def _middle(run: Run, recorder: Recorder, moment: Moment, acting: Acting) -> Replay:
    """Of the episodes that a policy plays, the one of middling length; it tells of the others."""
    plan, experiment = run.plan, run.experiment
    world: PyTree = jax.tree.map(lambda x: np.asarray(x, jax.numpy.result_type(x)), plan.env_params)
    keys = (episode_key(experiment.seed, moment.update, number) for number in range(PLAYED))
    films = [recorder(acting, world, key) for key in keys]
    lengths, returns = [int(film.length) for film in films], [float(film.reward.sum()) for film in films]
    about: dict[str, Any] = replays.provenance(
        experiment, run.name, experiment.seed, moment.update, plan.steps_per_update, greedy=False
    )
    demo = {"episodes": moment.episodes, "lengths": lengths, "returns": returns}
    chosen = films[int(np.argsort(lengths, kind="stable")[PLAYED // 2])]
    return replays.replay_of(chosen, world, about | {"demo": demo})
