"""Several agents in one world are seen together, over the shoulder of one of them."""

import jax
import numpy as np
import pytest

from elsinore.config.build import ConfigError
from elsinore.envs.hamlet.env import hamlet
from elsinore.envs.hamlet.view import together
from elsinore.envs.scene import Bars, Choices, Facts, Grid, Scene, Thing
from elsinore.host import replays
from elsinore.host.drawing.company import MOST, Company, episode_of, numbered
from elsinore.host.drawing.stage import seats
from elsinore.training.recording import Recording
from tests.host.drawing.scenes import Lane, replay
from tests.host.drawing.test_episode import panel
from tests.worlds import Cell, Clocked

ACTIONS = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])  # [time, agent]


def walkers(actions=ACTIONS, died=((1, 0),)) -> replays.Replay:
    """Agents in the lane, and at which step, from 0, who of them dies."""
    steps, agents = actions.shape
    terminated, truncated = np.zeros((2, steps, agents), bool)
    for time, agent in died:
        terminated[time, agent] = True
    truncated[-1] = ~terminated.any(axis=0)
    cells = np.concatenate([np.zeros((1, agents), int), np.cumsum(actions, axis=0)])
    film = Recording(
        Cell(time=np.tile(np.arange(steps + 1)[:, None], agents), cell=cells), actions, actions.astype(np.float32),
        terminated, truncated, {"probability": np.full((steps, agents, 2), 0.5, np.float32)}, None, np.int32(steps),
    )  # fmt: skip
    about = {"env": "tests.host.drawing.scenes:Lane", "algo": "ppo", "seed": 2}
    return replays.replay_of(film, Clocked(max_steps_in_episode=np.full(agents, 4)), about)


def told(scene) -> dict[str, str]:
    return dict(panel(scene, Facts, "agents").rows)


def test_a_world_without_a_view_of_all_is_seen_as_one_agent_sees_it():
    company = Company(walkers(), agent=1)
    assert len(company) == 5
    assert [panel(company.scene(t), Grid).things[0].x for t in range(5)] == [0, 1, 1, 2, 3]
    assert [c.chosen for c in panel(company.scene(1), Choices).choices] == [True, False]
    assert company.scene(0).title == "lane · agent_1 of 3 · ppo · seed 2"


def test_a_life_that_is_over_stays_as_it_was_while_the_others_go_on():
    company = Company(walkers(), agent=0)
    assert [panel(company.scene(t), Grid).things[0].x for t in range(5)] == [0, 1, 2, 2, 2]
    last = company.scene(4)
    assert dict(panel(last, Facts, "episode").rows)["outcome"] == "the world ended it"
    assert not any(isinstance(p, Choices) for p in last.panels)
    assert told(last) == {
        "▶ agent_0": "2, ended at 2", "agent_1": "3, out of time at 4", "agent_2": "0, out of time at 4",
    }  # fmt: skip
    assert told(company.scene(1)) == {"▶ agent_0": "1", "agent_1": "1", "agent_2": "0"}
    assert company.outcome == "the world ended 1 of 3 lives"


def test_of_many_those_about_the_one_are_told_and_what_came_of_all():
    company = Company(walkers(np.ones((2, 40), int), died=()), agent=39)
    rows = told(company.scene(1))
    assert len(rows) == MOST + 2 and "▶ agent_39" in rows and "agent_30" in rows
    assert rows["mean return of all"] == "1" and rows["still going on"] == "40 of 40"


class Square(Lane):
    """A lane that shows all who are in it."""

    def scene_together(self, params, states, agent, over):
        tokens = (Thing(int(cell), 0, str(i), "agent", True) for i, cell in enumerate(states.cell))
        return Scene(f"square, {over.sum()} gone", (Grid(f"for {agent}", 8, 1, tuple(tokens)),))


def test_a_world_can_show_all_at_once():
    scene = Company(walkers(), Square(), agent=2).scene(3)
    assert [thing.x for thing in panel(scene, Grid).things] == [2, 2, 0]
    assert panel(scene, Grid).title == "for 2" and scene.title.startswith("square, 1 gone · agent_2 of 3")


def test_an_agent_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="agent_3 is not in this replay; it has agent_0 to agent_2"):
        episode_of(walkers(), agent=3)
    with pytest.raises(ConfigError, match="agent_1 is not in this replay; it has one agent"):
        episode_of(replay(), agent=1)
    with pytest.raises(ConfigError, match="--agent ghost is no agent's name"):
        numbered("ghost")
    assert (numbered("agent_12"), numbered("3"), numbered(None)) == (12, 3, None)


# Hamlet


def states(*own):
    return jax.tree.map(lambda *x: np.stack([np.asarray(part) for part in x]), *own)


def params_of(env, agents: int):
    return jax.tree.map(lambda x: np.stack([np.asarray(x)] * agents), env.default_params)


def tokens(scene) -> dict[str, tuple[int, int, str]]:
    return {thing.label: (thing.x, thing.y, thing.role) for thing in panel(scene, Grid).things if thing.token}


def test_all_who_live_in_one_town_stand_in_it_by_their_numbers():
    env = hamlet("classic4")
    three = states(*(env.state_at([x, x + 1], [90.0, 80.0, 70.0, 10.0 * x]) for x in range(3)))
    scene = together(env, params_of(env, 3), three, 1, np.array([True, False, False]))
    assert tokens(scene) == {"†0": (0, 1, "faint"), "1": (1, 2, "agent"), "2": (2, 3, "ink")}
    bars = panel(scene, Bars)
    assert bars.title == "meters of agent_1" and bars.bars[3].shown == "10"
    assert panel(scene, Grid).title == "home and town"


def test_who_lives_in_a_town_of_its_own_is_shown_alone():
    env = hamlet("L1")
    places = np.stack([np.arange(len(env.profile.affordances)) % 8, np.arange(len(env.profile.affordances)) // 8], 1)
    here, elsewhere = (env.state_at([7, 7], np.ones(8), cells) for cells in (places, places[::-1]))
    scene = together(env, params_of(env, 3), states(here, elsewhere, here), 0, np.zeros(3, bool))
    assert set(tokens(scene)) == {"0", "2"}
    assert panel(scene, Grid).title == "home and town of agent_0: each has its own"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 100])
def test_discs_in_one_cell_neither_touch_nor_leave_it(count):
    places = seats(count)
    for i, (x, y, radius) in enumerate(places):
        assert max(abs(x), abs(y)) + radius <= 0.5
        assert all(np.hypot(x - a, y - b) >= 2 * radius for a, b, _ in places[:i])
