"""A demo: the way of a run, lived again, and the pictures of it."""

import io
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from elsinore import cli
from elsinore.cli.demo import NAMES
from elsinore.config.build import ConfigError
from elsinore.config.load import load_experiment, set_dotted
from elsinore.config.plan import plan_for
from elsinore.host import replays
from elsinore.host.demo import recipes
from elsinore.host.demo.album import PLAYED, episode_of, replays_of_demo
from elsinore.host.demo.api import Demo, demo
from elsinore.host.demo.film import write_side_by_side
from elsinore.host.demo.moments import Moment, lived_again, nearest, way_of
from elsinore.host.demo.portraits import draw_portraits, portrait, told
from elsinore.host.demo.recipes import RECIPES, Recipe
from elsinore.host.demo.show import show_progression, show_side_by_side
from elsinore.host.page import server
from tests.host.conftest import TINY
from tests.host.drawing import scenes

ROOT = Path(__file__).resolve().parents[2]
WAY = [Moment(0, 0), Moment(1, 8), Moment(2, 90), Moment(3, 140)]


# The moments


def test_of_each_number_of_episodes_the_nearest_moment_is_taken_and_the_end():
    assert nearest(WAY, (1, 100)) == [WAY[0], WAY[2], WAY[3]]


def test_numbers_beyond_the_end_are_left_out_and_a_moment_is_taken_once():
    assert nearest(WAY, (1, 2, 3, 500)) == [WAY[0], WAY[3]]


def test_numbers_may_be_those_of_moments():
    assert nearest(WAY, (8, 90, 140)) == WAY[1:]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Demo:
    """A demo of next to nothing, from the one function."""
    settings = {name: value for name, value in TINY.items() if not name.startswith(("evaluation", "checkpoints"))}
    settings |= {"evaluation.period": 4, "evaluation.episodes": 2, "evaluation.final_episodes": 2, "env_steps": 2560}
    config: dict = {"env": "CartPole-v1"}
    for name, value in settings.items():
        set_dotted(config, name, value)
    path = tmp_path_factory.mktemp("demo") / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "tiny", Recipe(path, (1, 40)))
        return demo("tiny", runs_dir=path.parent / "runs")


def test_a_moment_that_is_lived_again_is_the_moment_that_was(made):
    """To the last bit, however many pauses were made on the way there."""
    was = made.run.state("latest").train.acting
    *_, again = lived_again(made.run, [1, 3, 20])
    for x, y in zip(jax.tree.leaves(was), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(x[0], y)


def test_the_way_begins_before_the_first_episode_and_goes_up(made):
    way = way_of(made.run)
    assert way[0] == (0, 0) and way[-1].update == 20
    assert all(b.episodes >= a.episodes and b.update > a.update for a, b in pairwise(way))


# The album


def test_the_album_begins_with_the_untrained_agent_and_ends_with_the_run(made):
    labels = [page.label for page in made.pages]
    assert labels[0] == "untrained" and labels[-1] == f"after {way_of(made.run)[-1].episodes:,} episodes"
    assert [page.is_last for page in made.pages] == [False, False, True]
    assert abs(made.pages[1].episodes - 40) <= 8


def test_of_what_was_played_the_life_of_middling_length_is_kept(made):
    for page in made.pages:
        assert len(page.lengths) == PLAYED
        assert replays.about(page.path)["length"] == np.median(page.lengths)


def test_its_replays_are_the_runs_own_so_that_whatever_shows_these_shows_them(made):
    assert [page.path for page in made.pages] == replays.listed(made.run.path / "replays")
    assert replays.about(made.pages[0].path)["run"] == made.run.name


def test_other_replays_of_a_run_are_no_part_of_a_demo(tmp_path):
    replays.write(tmp_path / "replays" / "0000000001-seed0.npz", scenes.replay())
    assert replays_of_demo(tmp_path) == []


def test_what_is_there_is_not_made_again(made, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "tiny", Recipe(Path("nowhere.yaml")))  # it could not be trained
    again = demo("tiny", runs_dir=made.run.path.parent)
    assert again.pages == made.pages


# The pictures


def test_three_pictures_are_written_where_they_are_wanted(made, tmp_path):
    paths = made.pictures(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["untrained-beside-trained.gif", "progression.png", "learning.png"]
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 300
    with Image.open(paths[1]) as strip, Image.open(paths[0]) as film:
        assert strip.size[0] > 1.4 * film.size[0]  # three agents, two


def test_the_pages_address_names_the_trained_agent_and_the_untrained_one(made):
    assert made.part == "Agents/0000000020-seed0.npz/0000000000-seed0.npz"


def test_whoever_is_dead_waits_for_the_others():
    short, long = (portrait(str(steps), scenes.episode((1,) * steps)) for steps in (2, 4))
    assert [told(short, now)[:9] for now in (0, 1, 2)] == ["step 0   ", "step 1   ", "cut after"]
    both = [np.asarray(draw_portraits([short, long], "both", time)) for time in (2, 3, 4)]
    middle = both[0].shape[1] // 2
    assert (both[0][:, :middle] == both[1][:, :middle]).all() and (both[1][:, :middle] == both[2][:, :middle]).all()
    assert (both[0][:, middle:] != both[1][:, middle:]).any()


def test_a_film_has_a_frame_for_each_step_and_holds_the_last(tmp_path):
    frames = write_side_by_side(tmp_path / "x.gif", [portrait("a", scenes.episode())], "lane")
    with Image.open(tmp_path / "x.gif") as film:
        assert frames == 5 + 25 and film.info["duration"] == 80


def test_a_film_can_be_an_mp4_and_nothing_else_besides_a_gif(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    walker = [portrait("a", scenes.episode())]
    write_side_by_side(tmp_path / "film.mp4", walker, "lane")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    with pytest.raises(ConfigError, match=r"\.gif or \.mp4"):
        write_side_by_side(tmp_path / "film.mov", walker, "lane")


def test_a_terminal_is_told_how_it_got_there(made):
    console = Console(width=110, record=True, file=io.StringIO())
    show_progression(made.pages, console, made.limit)
    show_side_by_side(made.portraits()[:2], console)
    text = console.export_text()
    assert all(page.label in text for page in made.pages)
    assert f"the mean of {PLAYED} fresh episodes of at most 500 steps" in text
    assert text.count("untrained: ") == 3


# The recipes and the command


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_run_of_one_seed_that_nothing_stops_early(name):
    recipe = RECIPES[name]
    plan = plan_for(load_experiment(config=recipe.config, overrides=recipes.QUIET))
    assert plan.experiment.seeds == 1 and not plan.experiment.convergence.enabled
    assert plan.schedule.updates_per_row == 1  # so that every moment is known


def test_hamlets_recipe_is_the_curriculum_of_the_config_that_it_is_a_short_version_of():
    """It is written out once more, as the folder of configs is not installed."""
    recipe = load_experiment(config=RECIPES["hamlet"].config)
    full = load_experiment(config=ROOT / "configs" / "hamlet" / "curriculum.yaml")
    assert (recipe.curriculum, recipe.algo, recipe.env_kwargs) == (full.curriculum, full.algo, full.env_kwargs)


def test_the_command_knows_every_recipe():
    assert set(NAMES) == set(RECIPES)


def test_a_demo_there_is_none_of_is_refused_in_one_line(capsys):
    assert cli.main(["demo", "balatro"]) == 2
    assert capsys.readouterr().err == "elsinore: there is no demo 'balatro'; choose hamlet or cartpole.\n"
    with pytest.raises(ConfigError):
        recipes.recipe_of("balatro")


def test_the_command_shows_and_writes(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "tiny", Recipe(Path("nowhere.yaml")))
    arguments = ["demo", "tiny", "--runs-dir", str(made.run.path.parent), "--out", str(tmp_path)]
    film, shown = tmp_path / "film.gif", []
    monkeypatch.setattr(server, "watch", lambda *args, **more: shown.append((args[0], more["part"])) or 0)
    assert cli.main([*arguments, "--no-show", "--watch", "--film", str(film)]) == 0
    told_quietly = capsys.readouterr().out
    assert "progression.png" in told_quietly and "untrained" not in told_quietly.replace("untrained-beside", "")
    assert film.exists() and shown == [(str(made.run.path), made.part)]
    assert episode_of(made.pages[0]).about["env"] == "CartPole-v1"
