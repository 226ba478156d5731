"""EnvPool's families: which of their limits stay, and how a pool begins an episode.

Skipped where EnvPool is not installed; `pip install 'elsinore[envpool]'` installs it.
"""

import numpy as np
import pytest

from elsinore.envs import make, suites
from elsinore.errors import ConfigError
from elsinore.runs.host.vector import HostVector

pytestmark = pytest.mark.skipif(
    not suites.is_installed("envpool"), reason="needs elsinore[envpool]"
)
NO_LIMIT = 10**6


def lived(env_id, actions):
    """The last of these steps of one environment, and the numbers of those that end an episode."""
    env, _ = make(f"envpool/{env_id}")
    vector = HostVector(env, env.open_rows(1), 1, (0,), NO_LIMIT, 0)
    vector.begin()
    steps = [vector.step(np.asarray(action)[None]) for action in actions]
    vector.close()
    return steps[-1], [i for i, step in enumerate(steps, 1) if step.done.any()]


@pytest.mark.parametrize(
    ("env_id", "limit"),
    [
        pytest.param("MazeEasy-v0", 500, id="Procgen", marks=pytest.mark.slow),
        pytest.param("MiniGrid-Empty-5x5-v0", 100, id="MiniGrid"),
        pytest.param("BabyAI-GoToObj-v0", 64, id="BabyAI"),
        pytest.param("Jumanji/SlidingTilePuzzle-v0", 500, id="Jumanji"),
    ],
)
def test_the_own_limit_of_a_game_is_no_death(env_id, limit):
    env, _ = make(f"envpool/{env_id}")
    stay = np.zeros(env.action_space(None).shape, np.int32)
    last, ends = lived(env_id, [stay] * limit)
    assert ends == [limit] and last.truncated.all() and not last.terminated.any()
    assert env.limit == (0 if env_id.startswith("BabyAI") else limit)


def test_a_family_whose_limit_only_counts_steps_has_none_of_its_own():
    last, ends = lived("Pendulum-v1", [np.zeros(1)] * 210)
    assert not ends and not last.done.any()


def test_the_reward_of_minigrid_falls_with_time():
    left, right, forward = 0, 1, 2
    path = [left, right, forward, forward, right, forward, forward]
    last, ends = lived("MiniGrid-Empty-5x5-v0", path)
    assert ends == [7] and last.terminated.all()
    np.testing.assert_allclose(last.reward, 1 - 0.9 * 7 / 100, rtol=1e-6)


def test_a_game_of_vizdoom_lasts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where its binary writes its settings
    _, ends = lived("Basic-v1", [np.zeros(3)] * 5)
    assert not ends


def test_a_limit_above_one_that_rules_depend_on_is_refused():
    name = "envpool/MiniGrid-Empty-5x5-v0"
    assert make(name, {"max_episode_steps": 50})[0].limit == 50
    for given in (101, -1):
        with pytest.raises(ConfigError, match=f"max_episode_steps={given} would.* at most 100"):
            make(name, {"max_episode_steps": given})


@pytest.mark.parametrize("cut", [False, True], ids=["a life is lost", "a limit of ours"])
def test_a_game_continues_after_a_lost_life_alone(cut):
    env, _ = make("envpool/Breakout-v5", {"episodic_life": True})
    rows, (first, both) = env.open_rows(2), (np.array([0]), np.array([0, 1]))
    rows.reset(both, [0, 1])
    fire, ended = np.array([1, 1]), np.zeros(2, bool)
    while not ended[0]:
        _, _, ended, _ = rows.step(both, fire)
    if cut:  # in the step after the loss
        rows.reset(first, [2])
        rows.step(both, fire)
    obs = rows.reset(first, [3])
    assert obs.shape == (1, *env.observation_space(None).shape)
    assert rows._pool.step(np.array([1]), np.array([0]))[4]["lives"].tolist() == [5 if cut else 4]
    rows.close()


def test_rows_that_ended_and_others_begin_together_in_their_order():
    env, _ = make("envpool/CartPole-v1")
    rows, everyone = env.open_rows(3), np.arange(3)
    rows.reset(everyone, [0, 1, 2])
    ended, steps = np.zeros(3, bool), 0
    while not ended.any():
        _, _, ended, _ = rows.step(everyone, np.array([0, steps % 2, 0]))
        steps += 1
    assert not ended.all()
    seen = rows.reset(everyone[::-1], [3, 4, 5])
    after, *_ = rows.step(everyone, np.zeros(3, int))
    np.testing.assert_allclose(after[:, 0], (seen[:, 0] + 0.02 * seen[:, 1])[::-1], atol=1e-5)
    rows.close()
