"""Multi-agent episodes are drawn as scenes, with one agent in detail."""

import jax
import numpy as np
import pytest

from elsinore.envs.scene import Bars, Choices, Facts, Grid, Scene, Thing
from elsinore.envs.views import view_of
from elsinore.errors import ConfigError
from elsinore.runs.replays import recording as episode_recording
from elsinore.training.recording import Recording
from elsinore.view.drawing.multi_agent import (
    MAX_AGENTS,
    MultiAgentEpisode,
    agent_number,
    episode_of,
)
from elsinore.view.drawing.world_panels import seats
from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.view import joint_scene
from tests.small_envs import Cell, Clocked
from tests.view.drawing.scenes import Lane, replay
from tests.view.drawing.test_episode import panel

ACTIONS = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])  # [time, agent]


def walkers(actions=ACTIONS, died=((1, 0),)) -> episode_recording.EpisodeRecording:
    """A replay of agents in the lane; `died` has the (step, agent) that terminate."""
    steps, agents = actions.shape
    terminated, truncated = np.zeros((2, steps, agents), bool)
    for time, agent in died:
        terminated[time, agent] = True
    truncated[-1] = ~terminated.any(axis=0)
    cells = np.concatenate([np.zeros((1, agents), int), np.cumsum(actions, axis=0)])
    film = Recording(
        Cell(time=np.tile(np.arange(steps + 1)[:, None], agents), cell=cells),
        actions,
        actions.astype(np.float32),
        terminated,
        truncated,
        {"probability": np.full((steps, agents, 2), 0.5, np.float32)},
        None,
        np.int32(steps),
    )
    about = {"env": "tests.view.drawing.scenes:Lane", "algo": "ppo", "seed": 2}
    return episode_recording.recording_of(
        film, Clocked(max_steps_in_episode=np.full(agents, 4)), about
    )


def agent_rows(scene) -> dict[str, str]:
    return dict(panel(scene, Facts, "agents").rows)


def test_an_environment_without_a_joint_scene_is_shown_as_one_agent_sees_it():
    episode = MultiAgentEpisode(walkers(), agent=1)
    assert len(episode) == 5
    assert [panel(episode.scene(t), Grid).things[0].x for t in range(5)] == [0, 1, 1, 2, 3]
    assert [c.chosen for c in panel(episode.scene(1), Choices).choices] == [True, False]
    assert episode.scene(0).title == "lane · agent_1 of 3 · ppo · seed 2"


def test_an_agent_that_is_done_stays_at_its_last_state():
    episode = MultiAgentEpisode(walkers(), agent=0)
    assert [panel(episode.scene(t), Grid).things[0].x for t in range(5)] == [0, 1, 2, 2, 2]
    last = episode.scene(4)
    assert dict(panel(last, Facts, "episode").rows)["outcome"] == "terminated"
    assert not any(isinstance(p, Choices) for p in last.panels)
    assert agent_rows(last) == {
        "▶ agent_0": "2, terminated at 2",
        "agent_1": "3, truncated at 4",
        "agent_2": "0, truncated at 4",
    }
    assert agent_rows(episode.scene(1)) == {"▶ agent_0": "1", "agent_1": "1", "agent_2": "0"}
    assert episode.outcome == "1 of 3 agents terminated"


def test_agents_with_names_are_listed_with_the_numbers_that_views_show():
    named = walkers()
    named.about["agent_names"] = ["ann", "bob", "agent_2"]
    rows = agent_rows(MultiAgentEpisode(named, agent=1).scene(1))
    assert rows == {"0 ann": "1", "▶ 1 bob": "1", "agent_2": "0"}


def test_of_many_agents_the_neighbours_and_the_mean_are_listed():
    episode = MultiAgentEpisode(walkers(np.ones((2, 40), int), died=()), agent=39)
    rows = agent_rows(episode.scene(1))
    assert len(rows) == MAX_AGENTS + 2 and "▶ agent_39" in rows and "agent_30" in rows
    assert rows["mean return of all"] == "1" and rows["still running"] == "40 of 40"


class Square(Lane):
    """A lane with a joint scene."""

    def scene_together(self, params, states, agent, over):
        tokens = (Thing(int(cell), 0, str(i), "agent", True) for i, cell in enumerate(states.cell))
        return Scene(f"square, {over.sum()} gone", (Grid(f"for {agent}", 8, 1, tuple(tokens)),))


def test_an_environment_can_show_all_agents():
    scene = MultiAgentEpisode(walkers(), Square(), agent=2).scene(3)
    assert [thing.x for thing in panel(scene, Grid).things] == [2, 2, 0]
    assert panel(scene, Grid).title == "for 2" and scene.title.startswith(
        "square, 1 gone · agent_2 of 3"
    )


@pytest.mark.parametrize("agent", [3, -1, "3", "agent_3", "ghost"])
def test_an_agent_that_is_not_there_is_refused_with_the_names_of_those_that_are(agent):
    there = "is not the name of an agent; there are agent_0, agent_1, agent_2."
    with pytest.raises(ConfigError, match=f"agent={agent!r} {there}"):
        episode_of(walkers(), agent=agent)
    with pytest.raises(ConfigError, match=f"agent={agent!r} .* there are ann, bob, cat."):
        agent_number(agent, ["ann", "bob", "cat"])


def test_an_agent_is_named_by_its_name_or_its_place():
    with pytest.raises(ConfigError, match="agent=1 .* there is one agent"):
        episode_of(replay(), agent=1)
    with pytest.raises(ConfigError, match="agent='ghost' .* there are agent_0, agent_1 and so on"):
        agent_number("ghost")
    with pytest.raises(ConfigError, match="there are a0, .*, a9 and 90 more"):
        agent_number("ghost", [f"a{i}" for i in range(100)])
    assert (agent_number("agent_12"), agent_number("3"), agent_number(None)) == (12, 3, None)
    assert (agent_number("bob", ["ann", "bob"]), agent_number("agent_0", ["ann", "bob"])) == (1, 0)


# Hamlet


def states(*own):
    return jax.tree.map(lambda *x: np.stack([np.asarray(part) for part in x]), *own)


def params_of(env, agents: int):
    return jax.tree.map(lambda x: np.stack([np.asarray(x)] * agents), env.default_params)


def tokens(scene) -> dict[str, tuple[int, int, str]]:
    return {
        thing.label: (thing.x, thing.y, thing.role)
        for thing in panel(scene, Grid).things
        if thing.token
    }


def test_all_who_live_in_one_town_stand_in_it_by_their_numbers():
    env = hamlet("classic4")
    three = states(*(env.state_at([x, x + 1], [90.0, 80.0, 70.0, 10.0 * x]) for x in range(3)))
    assert view_of(env).joint_scene is joint_scene
    scene = joint_scene(env, params_of(env, 3), three, 1, np.array([True, False, False]))
    assert tokens(scene) == {"†0": (0, 1, "faint"), "1": (1, 2, "agent"), "2": (2, 3, "ink")}
    bars = panel(scene, Bars)
    assert bars.title == "meters of the selected agent" and bars.bars[3].shown == "10"
    assert panel(scene, Grid).title == "home and town"


def test_who_lives_in_a_town_of_its_own_is_shown_alone():
    env = hamlet("L1")
    places = np.stack(
        [np.arange(len(env.profile.affordances)) % 8, np.arange(len(env.profile.affordances)) // 8],
        1,
    )
    here, elsewhere = (env.state_at([7, 7], np.ones(8), cells) for cells in (places, places[::-1]))
    scene = joint_scene(env, params_of(env, 3), states(here, elsewhere, here), 0, np.zeros(3, bool))
    assert set(tokens(scene)) == {"0", "2"}
    assert panel(scene, Grid).title == "home and town of the selected agent: each has its own"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 100])
def test_discs_in_one_cell_neither_touch_nor_leave_it(count):
    places = seats(count)
    for i, (x, y, radius) in enumerate(places):
        assert max(abs(x), abs(y)) + radius <= 0.5
        assert all(np.hypot(x - a, y - b) >= 2 * radius for a, b, _ in places[:i])
