"""A demo recomputes the policies of a run, and draws them."""

import io
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from elsinore import cli
from elsinore.cli.demo import DEMOS
from elsinore.config.load import load_experiment
from elsinore.config.mappings import set_dotted
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.page import server
from elsinore.runs.replays import files as replays
from elsinore.runs.store.store import Store
from elsinore.view.demo import api, episodes
from elsinore.view.demo.api import RECIPES, Demo, Recipe, demo
from elsinore.view.demo.episodes import (
    EPISODES_PER_SNAPSHOT,
    demo_episodes,
    record_episodes,
    recorded_episodes,
)
from elsinore.view.demo.learning import draw_learning
from elsinore.view.demo.show import show_progression, show_side_by_side
from elsinore.view.demo.side_by_side import (
    agent_column,
    draw_side_by_side,
    status_line,
    write_side_by_side,
)
from elsinore.view.demo.snapshots import (
    Snapshot,
    nearest_snapshots,
    recompute_policies,
    run_snapshots,
)
from tests.runs.conftest import MADE_ELSEWHERE, TINY, made_elsewhere
from tests.view.drawing import scenes

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOTS = [Snapshot(0, 0), Snapshot(1, 8), Snapshot(2, 90), Snapshot(3, 140)]


def test_a_run_in_which_no_episode_ended_has_a_curve_of_its_snapshots(tmp_path):
    Store(tmp_path / "metrics.sqlite").close()
    run: Any = SimpleNamespace(
        path=tmp_path,
        plan=SimpleNamespace(
            env_params=SimpleNamespace(max_steps_in_episode=10), steps_per_update=4
        ),
        experiment=SimpleNamespace(seed=0),
        summary={"curriculum": {"course": [[{"env_steps": 8, "stage": "first"}]]}},
    )
    episodes: Any = [SimpleNamespace(episodes=0, lengths=[3, 4])]
    draw_learning(tmp_path / "learning.png", run, episodes, "no episode")
    assert (tmp_path / "learning.png").stat().st_size > 1000


# Snapshots


def test_the_nearest_snapshots_and_the_last_are_taken():
    assert nearest_snapshots(SNAPSHOTS, (1, 100)) == [SNAPSHOTS[0], SNAPSHOTS[2], SNAPSHOTS[3]]


def test_numbers_beyond_the_end_are_left_out_and_no_snapshot_is_taken_twice():
    assert nearest_snapshots(SNAPSHOTS, (1, 2, 3, 500)) == [SNAPSHOTS[0], SNAPSHOTS[3]]


def test_numbers_may_be_those_of_snapshots():
    assert nearest_snapshots(SNAPSHOTS, (8, 90, 140)) == SNAPSHOTS[1:]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Demo:
    """A tiny demo."""
    settings = {
        name: value
        for name, value in TINY.items()
        if not name.startswith(("evaluation", "checkpoints"))
    }
    settings |= {
        "evaluation.period": 4,
        "evaluation.episodes": 2,
        "evaluation.final_episodes": 2,
        "env_steps": 2560,
    }
    config: dict = {"env": "CartPole-v1"}
    for name, value in settings.items():
        set_dotted(config, name, value)
    path = tmp_path_factory.mktemp("demo") / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.RECIPES, "tiny", Recipe(path, (1, 40)))
        return demo("tiny", runs_dir=path.parent / "runs")


@pytest.mark.parametrize("option", MADE_ELSEWHERE)
def test_a_demo_that_was_begun_elsewhere_names_the_command_that_resumes_it(
    option, made, tmp_path, monkeypatch
):
    run = tmp_path / "demo-tiny"
    shutil.copytree(made.run.path, run)
    made_elsewhere(run, option)
    monkeypatch.setitem(api.RECIPES, "tiny", Recipe(tmp_path / "tiny.yaml"))
    said = f"pass --{option.replace('_', '-')} .*`elsinore train --resume {run}`"
    with pytest.raises(ConfigError, match=said):
        demo("tiny", runs_dir=tmp_path)


def test_a_demo_whose_newest_checkpoint_is_broken_falls_back(made, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(api.api, "resume", lambda name, **rest: given.update(rest) or made.run)
    monkeypatch.setitem(api.RECIPES, "tiny", Recipe(tmp_path / "tiny.yaml"))
    demo("tiny", runs_dir=made.run.path.parent)
    assert given["fall_back"]


def test_a_recomputed_policy_equals_the_trained_one(made):
    """Bit for bit, with any number of stops before it."""
    was = made.run.state("latest").train.policy_state
    *_, again = recompute_policies(made.run, [1, 3, 20])
    for x, y in zip(jax.tree.leaves(was), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(x[0], y)


def test_snapshots_start_before_the_first_episode_and_ascend(made):
    snapshots = run_snapshots(made.run)
    assert snapshots[0] == (0, 0) and snapshots[-1].update == 20
    assert all(b.episodes >= a.episodes and b.update > a.update for a, b in pairwise(snapshots))


# Episodes


def test_episodes_start_with_the_untrained_agent_and_end_with_the_run(made):
    labels = [episode.label for episode in made.episodes]
    assert (
        labels[0] == "untrained"
        and labels[-1] == f"after {run_snapshots(made.run)[-1].episodes:,} episodes"
    )
    assert [episode.is_last for episode in made.episodes] == [False, False, True]
    assert abs(made.episodes[1].episodes - 40) <= 8


def test_the_episode_of_median_length_is_recorded(made):
    for episode in made.episodes:
        assert len(episode.lengths) == EPISODES_PER_SNAPSHOT
        assert replays.about(episode.path)["length"] == np.median(episode.lengths)


def test_episodes_are_replays_of_the_run(made):
    assert [episode.path for episode in made.episodes] == replays.list_replays(
        made.run.path / "replays"
    )
    assert replays.about(made.episodes[0].path)["run"] == made.run.name


def test_other_replays_of_a_run_are_no_part_of_a_demo(tmp_path):
    replays.write(tmp_path / "replays" / "0000000001-seed0.npz", scenes.replay())
    assert demo_episodes(tmp_path) == []


def test_existing_episodes_are_not_recorded_again(made, monkeypatch):
    # it could not be trained
    monkeypatch.setitem(api.RECIPES, "tiny", Recipe(Path("nowhere.yaml")))
    again = demo("tiny", runs_dir=made.run.path.parent)
    assert again.episodes == made.episodes


def test_episodes_of_a_run_that_went_on_are_recorded_again(monkeypatch, tmp_path):
    monkeypatch.setattr(episodes, "run_snapshots", lambda run: SNAPSHOTS)
    monkeypatch.setattr(episodes, "recompute_policies", lambda run, updates: [None] * len(updates))
    monkeypatch.setattr(episodes, "_last", lambda run: None)
    monkeypatch.setattr(episodes, "max_steps_of", lambda *_: 10)
    monkeypatch.setattr(episodes, "EpisodePlayer", lambda *_, **__: None)
    monkeypatch.setattr(episodes, "_median_episode", lambda run, recorder, at, policy: _of(at))
    plan = SimpleNamespace(env=None, env_params=None, program=SimpleNamespace(algo=None))
    run: Any = SimpleNamespace(path=tmp_path, plan=plan, experiment=None)
    replays.write(tmp_path / "replays" / "0000000002-seed0.npz", _of(Snapshot(2, 90)))
    assert recorded_episodes(run) == []
    made = record_episodes(run, (1,))
    assert [replays.about(episode.path)["update"] for episode in made] == [0, 3]
    assert recorded_episodes(run) == made


def _of(at: Snapshot):
    demo = {"episodes": at.episodes, "lengths": [5], "returns": [1.0]}
    replay = scenes.replay()
    return replay._replace(about=replay.about | {"update": at.update, "seed": 0, "demo": demo})


def test_an_interrupted_training_is_no_demo_yet(monkeypatch, tmp_path, capsys):
    run = SimpleNamespace(path=tmp_path, name="demo-tiny", summary={"stopped_by": "interrupted"})
    monkeypatch.setitem(api.RECIPES, "tiny", Recipe(tmp_path / "nowhere.yaml"))
    monkeypatch.setattr(api.api, "train", lambda **_: run)
    with pytest.raises(KeyboardInterrupt, match="demo-tiny was interrupted; the same call"):
        demo("tiny", runs_dir=tmp_path)
    assert cli.main(["demo", "tiny", "--runs-dir", str(tmp_path)]) == 130
    assert "interrupted; the same command resumes the demo" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists() and not (tmp_path / "replays").exists()


@pytest.mark.parametrize("named", ["env: strange:World", "sinks: {remote: {url: s3://theirs}}"])
def test_a_run_that_names_code_or_sends_data_is_no_demo(tmp_path, named):
    (tmp_path / "demo-cartpole").mkdir()
    (tmp_path / "demo-cartpole" / "config.yaml").write_text(named)
    with pytest.raises(ConfigError, match=r"is not a demo's, for it has .*runs_dir"):
        demo("cartpole", runs_dir=tmp_path)


# Figures and films


def test_three_pictures_are_written_into_a_new_folder(made, tmp_path):
    paths = made.pictures(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "untrained-beside-trained.gif",
        "progression.png",
        "learning.png",
    ]
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 300
    with Image.open(paths[1]) as strip, Image.open(paths[0]) as film:
        assert strip.size[0] > 1.4 * film.size[0]  # three agents, two


def test_the_address_on_the_page_names_the_trained_and_the_untrained_agent(made):
    assert made.part == "Agents/0000000020-seed0.npz/0000000000-seed0.npz"


def test_a_finished_agent_waits_for_the_others():
    short, long = (agent_column(str(steps), scenes.episode((1,) * steps)) for steps in (2, 4))
    assert [status_line(short, now)[:9] for now in (0, 1, 2)] == [
        "step 0   ",
        "step 1   ",
        "cut after",
    ]
    both = [np.asarray(draw_side_by_side([short, long], "both", time)) for time in (2, 3, 4)]
    middle = both[0].shape[1] // 2
    assert (both[0][:, :middle] == both[1][:, :middle]).all() and (
        both[1][:, :middle] == both[2][:, :middle]
    ).all()
    assert (both[0][:, middle:] != both[1][:, middle:]).any()


def test_a_film_has_a_frame_for_each_step_and_holds_the_last(tmp_path):
    frames = write_side_by_side(tmp_path / "x.gif", [agent_column("a", scenes.episode())], "lane")
    with Image.open(tmp_path / "x.gif") as film:
        assert frames == film.n_frames == 5 and film.info["duration"] == 80
        film.seek(4)
        assert film.info["duration"] == 80 * (1 + 25)


def test_a_film_can_be_an_mp4_and_nothing_else_besides_a_gif(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    walker = [agent_column("a", scenes.episode())]
    write_side_by_side(tmp_path / "film.mp4", walker, "lane")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    with pytest.raises(ConfigError, match=r"\.gif or \.mp4"):
        write_side_by_side(tmp_path / "film.mov", walker, "lane")


def test_the_progression_is_printed_in_the_terminal(made):
    console = Console(width=110, record=True, file=io.StringIO())
    show_progression(made.episodes, console, made.limit)
    show_side_by_side(made.columns()[:2], console)
    text = console.export_text()
    assert all(episode.label in text for episode in made.episodes)
    assert f"mean of {EPISODES_PER_SNAPSHOT} new episodes of at most 500 steps" in text
    assert text.count("untrained: ") == 3


# Recipes and command


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_run_of_one_seed_without_early_stopping(name):
    recipe = RECIPES[name]
    plan = plan_for(load_experiment(config=recipe.config, overrides=api.OVERRIDES))
    assert plan.experiment.seeds == 1 and not plan.experiment.convergence.enabled
    assert plan.schedule.updates_per_row == 1  # a snapshot at every update


def test_hamlets_recipe_has_the_curriculum_of_the_full_config():
    """A copy, because the folder of configs is not installed; PPO's settings are its own."""
    recipe = load_experiment(config=RECIPES["hamlet"].config)
    full = load_experiment(config=ROOT / "configs" / "hamlet" / "curriculum.yaml")
    assert (recipe.curriculum, recipe.env_kwargs) == (full.curriculum, full.env_kwargs)
    assert recipe.algo.name == full.algo.name


def test_the_command_knows_every_recipe():
    assert set(DEMOS) == set(RECIPES)


def test_an_unknown_demo_is_refused_in_one_line(capsys):
    assert cli.main(["demo", "balatro"]) == 2
    assert (
        capsys.readouterr().err
        == "elsinore: there is no demo 'balatro'; choose hamlet or cartpole.\n"
    )
    with pytest.raises(ConfigError):
        demo("balatro")


def test_the_command_shows_and_writes(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(api.RECIPES, "tiny", Recipe(Path("nowhere.yaml")))
    arguments = ["demo", "tiny", "--runs-dir", str(made.run.path.parent), "--out", str(tmp_path)]
    film, shown = tmp_path / "film.gif", []
    monkeypatch.setattr(
        server, "watch", lambda *args, **more: shown.append((args[0], more["part"])) or 0
    )
    assert cli.main([*arguments, "--no-show", "--watch", "--film", str(film)]) == 0
    out = capsys.readouterr().out
    assert "progression.png" in out and "untrained" not in out.replace("untrained-beside", "")
    assert film.exists() and shown == [(str(made.run.path), made.part)]
    assert made.episodes[0].load().about["env"] == "CartPole-v1"


def test_the_folder_of_the_pictures_is_made_before_anything_is_trained(
    tmp_path, monkeypatch, capsys
):
    """So that a film may be in it, and one that cannot be made costs no training."""
    asked = []

    def refuse(*args, **_):
        asked.append(args)
        raise ConfigError("no further")

    monkeypatch.setattr(api, "demo", refuse)
    out = tmp_path / "made" / "here"
    assert cli.main(["demo", "cartpole", "--out", str(out), "--film", str(out / "x.gif")]) == 2
    assert "no further" in capsys.readouterr().err
    assert out.is_dir() and len(asked) == 1
    (tmp_path / "file").touch()
    assert cli.main(["demo", "cartpole", "--out", str(tmp_path / "file" / "here")]) == 2
    assert "file/here cannot be written: Not a directory; choose another" in capsys.readouterr().err
    assert len(asked) == 1
