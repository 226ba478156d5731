"""Figure of an agent's day: its numbers agree with the recording, and a trick is visible."""

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from elsinore import cli
from elsinore.errors import ConfigError
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.training.recording import Recording
from elsinore.view.drawing.episode import Episode
from elsinore.worlds.hamlet.day_figure import _life, _title, draw_day_figure, summarise_day
from elsinore.worlds.hamlet.env import hamlet
from tests.view.drawing import scenes

UP, DOWN, LEFT, RIGHT, INTERACT = range(5)
TO_BED = [LEFT] * 3 + [UP] * 3  # from the start at (4, 4) to (1, 1)


def recorded_episode(actions, world="classic4") -> Episode:
    """A recorded episode of these actions in a Hamlet level."""
    env = hamlet(world)
    params = env.default_params
    _, state = env.reset_env(jax.random.key(0), params)
    states, rewards, step = [state], [], jax.jit(env.step_env)
    for action in actions:
        _, state, reward, _, _ = step(jax.random.key(0), state, action, params)
        states.append(state)
        rewards.append(reward)
    steps = len(actions)
    film = Recording(
        jax.tree.map(lambda *x: np.stack(x), *states),
        np.array(actions),
        np.array(rewards),
        np.zeros(steps, bool),
        np.arange(steps) == steps - 1,
        {},
        None,
        np.int32(steps),
    )
    return Episode(
        episode_recording.recording_of(film, params, {"env": f"Hamlet-{world}", "env_kwargs": {}}),
        env,
    )


@pytest.fixture(scope="module")
def busy() -> Episode:
    """To bed, twice, then one cell on, and in vain."""
    return recorded_episode([*TO_BED, INTERACT, INTERACT, RIGHT, INTERACT])


def test_every_step_was_spent_in_one_way(busy):
    spent = summarise_day(busy).spent
    assert {name: int(steps.sum()) for name, steps in spent.items()} == {
        "walking": 7,
        "into a wall": 0,
        "using something": 2,
        "in vain": 1,
    }


def test_uses_are_counted_by_affordance(busy):
    assert [summarise_day(busy).uses(i) for i in range(4)] == [2, 0, 0, 0]
    assert list(np.flatnonzero(summarise_day(busy).used >= 0)) == [6, 7]


def test_the_map_says_where_the_time_went(busy):
    time_in = summarise_day(busy).time_in
    assert time_in.sum() == pytest.approx(1.0)
    # row, column
    assert time_in[1, 1] == pytest.approx(0.3) and time_in[1, 2] == pytest.approx(0.2)


def test_what_cannot_be_paid_for_is_in_vain():
    broke = [*TO_BED, *[INTERACT] * 12]  # the purse of 50 pays for ten nights
    assert (
        summarise_day(recorded_episode(broke)).uses(0) == 10
        and int(summarise_day(recorded_episode(broke)).spent["in vain"].sum()) == 2
    )


def test_parking_in_a_corner_shows():
    parked = summarise_day(recorded_episode([LEFT] * 8 + [INTERACT] * 30))
    assert parked.idle > 0.85 and parked.time_in.max() > 0.85


def test_a_tick_of_a_world_with_a_clock_is_a_use():
    env = hamlet("L3")
    asleep = recorded_episode([INTERACT] * 3, "L3")
    cells, position = (
        np.asarray(asleep.recording.state.cells)[0],
        np.asarray(asleep.recording.state.position)[0],
    )
    assert cells[0] != position[0] + env.profile.grid[0] * position[1]  # it does not begin in bed
    assert (summarise_day(asleep).used == -1).all() and summarise_day(asleep).spent["in vain"].all()
    assert len(summarise_day(asleep).places) == 14 and "meditate" in summarise_day(asleep).spent


def test_a_day_is_drawn(busy, tmp_path):
    draw_day_figure(tmp_path / "day.png", busy)
    with Image.open(tmp_path / "day.png") as image:
        colours = image.convert("RGB").resize((60, 40)).getcolors(2400)
        assert image.size[0] > 1000 and len(colours) > 50


@pytest.mark.parametrize(("ticks", "said"), [(1, "1 step,"), (2, "2 steps,")])
def test_the_title_counts_the_steps_of_the_day(ticks, said):
    episode = recorded_episode([UP] * ticks)
    assert f"lived for {said} return" in _title(episode, summarise_day(episode))


@pytest.mark.parametrize(("worth", "said"), [(-52.5, "-52.5"), (0.4, "0.4"), (12.0, "12")])
def test_the_title_has_the_return_that_the_command_prints(worth, said):
    episode = recorded_episode([UP])
    episode.about["return"] = worth
    assert f"return {said}" in _title(episode, summarise_day(episode)).splitlines()[1]


@pytest.mark.parametrize("world", ["classic4", "L0_0"])
def test_no_two_meters_are_drawn_alike(world):
    episode, axis = recorded_episode([UP], world), Figure().add_subplot()
    _life(axis, episode.env, summarise_day(episode))
    lines = [(line.get_color(), line.get_linestyle()) for line in axis.get_lines()]
    assert len({*lines}) == len(lines) == len(episode.env.profile.meters)


def test_a_world_that_is_no_hamlet_has_no_such_day(tmp_path):
    with pytest.raises(
        ConfigError, match="Hamlet worlds only, and tests.view.drawing.scenes:Lane is none"
    ):
        draw_day_figure(tmp_path / "day.png", scenes.episode())


@pytest.mark.parametrize("name", ["day.jpg", "nowhere/day.png"])
def test_a_day_is_a_png_in_a_folder_that_is_there(busy, tmp_path, name):
    with pytest.raises(ConfigError, match="must be a .png file in a folder that is there"):
        draw_day_figure(tmp_path / name, busy)


def test_play_draws_a_day_instead(busy, tmp_path, capsys):
    file = replays.write(
        tmp_path / "replay.npz", episode_recording.EpisodeRecording(busy.about, _arrays(busy))
    )
    assert cli.main(["play", str(file), "--day", str(tmp_path / "day.png")]) == 0
    assert "10 steps" in capsys.readouterr().out and (tmp_path / "day.png").exists()


def test_of_several_agents_the_day_is_that_of_the_selected_one(busy, tmp_path, capsys):
    still = recorded_episode([UP] * 10)
    films = [episode.recording._replace(length=None) for episode in (busy, still)]
    film = jax.tree.map(lambda *x: np.stack(x, axis=1), *films)._replace(length=np.int32(10))
    params = jax.tree.map(lambda x: np.stack([x, x]), busy.params)
    about = {"env": "Hamlet-classic4", "env_kwargs": {}}
    together = episode_recording.recording_of(film, params, about)
    file, day = replays.write(tmp_path / "replay.npz", together), tmp_path / "day.png"
    for agent, episode in (("0", busy), ("agent_1", still)):
        assert cli.main(["play", str(file), "--day", str(day), "--agent", agent]) == 0
        worth = float(np.asarray(episode.recording.reward).sum())
        assert f"day.png: 10 steps, return {worth:g}\n" in capsys.readouterr().out


def _arrays(episode: Episode):
    return episode_recording.recording_of(
        episode.recording, episode.params, {"env": "Hamlet-classic4", "env_kwargs": {}}
    ).arrays
