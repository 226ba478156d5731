"""An agent of a loop in Python is the compiled learner."""

from functools import partial

import gymnasium
import jax
import numpy as np
import pytest

import elsinore
from elsinore.errors import ConfigError
from tests.algos.trainees import KEY, QUICKLY, make
from tests.small_envs import Clocked, Corridor

BOX, TWO = gymnasium.spaces.Box(0.0, 1.0, (5,), np.float32), gymnasium.spaces.Discrete(2)
SMALL = {
    "dqn": {"rollout_length": 4, "gradient_steps": 2, "batch_size": 16, "buffer_size": 400,
            "learning_starts": 16, "target_period": 16, "learning_rate": 0.01},
    "ppo": {"rollout_length": 8, "num_minibatches": 2, "num_epochs": 2, "learning_rate": 0.01},
}  # fmt: skip


class Cells:
    """`Corridor` in Python, one for each of `num_envs`, reset where an episode ended."""

    def __init__(self, num_envs=1):
        self.at = np.zeros(num_envs, int)

    @property
    def obs(self):
        return np.eye(5, dtype=np.float32)[self.at]

    def step(self, actions):
        """(true next observations, rewards, terminated)."""
        self.at = np.clip(self.at + 2 * np.asarray(actions) - 1, 0, 4)
        seen, ended = self.obs, self.at == 4
        self.at = np.where(ended, 0, self.at)
        return seen, ended.astype(np.float32), ended


def agent_of(name, num_envs=1, env_steps=400, **more):
    settings = SMALL[name] | {"num_envs": num_envs, "network.hidden": [16]} | more
    return elsinore.Agent(name, BOX, TWO, seed=0, env_steps=env_steps, **settings)


def test_a_mapping_keeps_its_number_of_envs_and_a_setting_beside_it_wins():
    algo = {"name": "dqn", "num_envs": 8}
    assert elsinore.Agent(algo, BOX, TWO).config.num_envs == 8
    assert elsinore.Agent(algo, BOX, TWO, num_envs=2).config.num_envs == 2
    assert elsinore.Agent({"name": "dqn"}, BOX, TWO).config.num_envs == 1


def live(agent, cells, updates):
    """Metrics of each update."""
    found = []
    while len(found) < updates:
        obs = cells.obs
        seen, reward, ended = cells.step(agent.act(obs if agent.config.num_envs > 1 else obs[0]))
        if agent.config.num_envs == 1:
            seen, reward, ended = seen[0], reward[0], ended[0]
        agent.observe(reward, ended, False, seen)
        found += [metrics] if (metrics := agent.learn()) else []
    return found


def parameters(state):
    return [np.asarray(x) for x in jax.tree.leaves(state.learner.params)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dqn", "ppo"])
def test_it_learns_what_the_compiled_program_learns(name):
    agent = agent_of(name, num_envs=3)
    updates = 400 // agent.config.steps_per_update
    algo = make(agent.config, Corridor(), Clocked(max_steps_in_episode=10**6), updates)

    def run(state):
        return jax.lax.scan(lambda state, _: algo.update(state), state, length=5)

    start = algo.init(KEY, Clocked(max_steps_in_episode=10**6), algo.hyper)
    assert all(map(np.array_equal, parameters(start), parameters(agent.state)))
    expected, metrics = jax.jit(run, compiler_options=QUICKLY)(start)
    found = live(agent, Cells(3), 5)
    jax.tree.map(
        partial(np.testing.assert_allclose, atol=1e-5),
        parameters(agent.state),
        parameters(expected),
    )
    total = metrics["loss/value"].total / np.maximum(metrics["loss/value"].count, 1)
    values = [each.get("loss/value", 0.0) for each in found]
    np.testing.assert_allclose(values, total, atol=1e-4)


def test_a_loaded_agent_goes_on_as_it_would_have(tmp_path):
    agent, cells = agent_of("dqn"), Cells()
    live(agent, cells, 5)
    for _ in range(2):  # within a rollout
        seen, reward, ended = cells.step(agent.act(cells.obs[0]))
        agent.observe(reward[0], ended[0], False, seen[0])
    other, twin = elsinore.Agent.load(agent.save(tmp_path / "agent.npz")), Cells()
    twin.at = cells.at.copy()
    assert other.config == agent.config and other.updates == 5
    assert live(agent, cells, 3) == live(other, twin, 3)
    assert all(map(np.array_equal, parameters(agent.state), parameters(other.state)))


def test_it_learns_to_go_right():
    agent = agent_of("dqn", env_steps=1600, gamma=0.5)  # so that a detour is worth much less
    live(agent, Cells(), 400)
    assert [agent.act(obs, greedy=True) for obs in np.eye(5, dtype=np.float32)[:4]] == [1] * 4


def test_greedy_actions_of_a_recurrent_network_have_a_carry_of_their_own():
    settings = SMALL["ppo"] | {"num_minibatches": 1, "network.gru": 8}
    agent = elsinore.Agent("ppo", BOX, BOX, **settings)
    episode = np.random.default_rng(0).uniform(size=(3, 5)).astype(np.float32)

    def played():
        return [agent.act(obs, greedy=True, first=i == 0).tolist() for i, obs in enumerate(episode)]

    before = played()
    for obs in episode:
        agent.act(obs)
        agent.observe(0.0, False, False, obs)
    trained = [np.array(x) for x in jax.tree.leaves(agent._carry)]
    assert played() == before
    assert agent.act(episode[2], greedy=True, first=True).tolist() != before[2]
    assert all(map(np.array_equal, trained, jax.tree.leaves(agent._carry)))
    with pytest.raises(ConfigError, match="recurrent, and .* give first=True in the first step"):
        agent.act(episode[0], greedy=True)
    with pytest.raises(ConfigError, match="first=True is for greedy actions"):
        agent.act(episode[0], first=True)


S = gymnasium.spaces
ANY = S.Dict({"seen": S.MultiBinary(3), "place": S.Discrete(4, start=2), "speed": BOX})
SPACES = {
    "a place": (S.Discrete(7, start=-1), S.Discrete(3, start=5)),
    "several choices": (S.MultiDiscrete([2, 3]), S.MultiDiscrete([3, 2], start=[1, 0])),
    "switches and numbers": (ANY, S.MultiBinary(4)),
    "a matrix of numbers": (S.Box(-1, 1, (2, 2), np.float64), S.Box(-2, 2, (2, 2), np.float64)),
    "an image": (S.Box(0, 255, (3, 20, 20), np.uint8), S.Discrete(2)),
}


@pytest.mark.parametrize("num_envs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SPACES)
def test_it_acts_in_spaces_of_each_kind_and_is_loaded_with_them(name, num_envs, tmp_path):
    seen, done = SPACES[name]
    many = gymnasium.vector.utils.batch_space
    seen_by, done_by = (many(x, num_envs) if num_envs > 1 else x for x in (seen, done))
    settings = SMALL["ppo"] | {"rollout_length": 4, "num_envs": num_envs, "num_epochs": 1}
    agent = elsinore.Agent("ppo", seen, done, **settings, **{"network.hidden": [4]})
    reward = 0.5 if num_envs == 1 else [0.5] * num_envs
    seen_by.seed(0)
    for _ in range(5):
        assert (action := agent.act(seen_by.sample())) in done_by, action
        agent.observe(reward, False, False, seen_by.sample())
        agent.learn()
    assert agent.updates == 1
    obs = seen_by.sample()
    loaded = elsinore.Agent.load(agent.save(tmp_path / "agent.npz"))
    np.testing.assert_array_equal(loaded.act(obs), agent.act(obs))


IMAGE = gymnasium.spaces.Box(0, 255, (3,), np.uint8)


@pytest.mark.parametrize(
    ("space", "wrong", "reason"),
    [
        (IMAGE, np.array([300, 1, 2]), "300 is out of bounds for uint8"),  # was read as 44
        (IMAGE, np.float32([0.0, 0.5, 1.0]), "0.5 is out of bounds for uint8, or no whole number"),
        (IMAGE, np.full(3, np.nan), "nan is out of bounds"),
        (gymnasium.spaces.Box(0, 9, (1,), np.int64), np.array([2**31]), "2147483648 is out of"),
        (gymnasium.spaces.Box(0, 1, (1,)), np.array(["1"]), "<U1 is no type of real numbers"),
        (gymnasium.spaces.Box(0, 1, (1,)), np.array([1 + 1j]), "is no type of real numbers"),
        (gymnasium.spaces.MultiBinary(2), [2, 0], "2 is out of bounds for bool"),
        (gymnasium.spaces.Discrete(5), [0, 1, 2], r"\[0, 1, 2\] is not in its space"),
        (gymnasium.spaces.MultiDiscrete([2, 3]), 1, "1 is not in its space, of 2 choices"),
    ],
)
def test_an_observation_that_reading_would_change_is_refused(space, wrong, reason):
    with pytest.raises(ConfigError, match=rf"an observation is of shape .*\(.*{reason}"):
        elsinore.Agent("dqn", space, TWO).act(wrong)


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is unknown; did you mean 'dqn'"):
        elsinore.Agent("dqm", BOX, TWO)
    with pytest.raises(ConfigError, match="observation_space=.* give one of Box, Discrete"):
        elsinore.Agent("dqn", gymnasium.spaces.Text(3), TWO)
    with pytest.raises(ConfigError, match="has the key 1, which is no text"):  # lost in a file
        elsinore.Agent("dqn", gymnasium.spaces.Dict({1: BOX}), TWO)
    with pytest.raises(ConfigError, match="learns the value of each of n actions"):
        elsinore.Agent("dqn", BOX, BOX)
    with pytest.raises(ConfigError, match="action_space=.* a Box must be of floats"):
        elsinore.Agent("ppo", BOX, gymnasium.spaces.Box(0, 3, (2,), np.int32))
    with pytest.raises(ConfigError, match="algo=None must be"):
        elsinore.Agent(None, BOX, TWO)
    for seed in (-1, 2**32, 2**64):  # jax takes the second for 0
        with pytest.raises(ConfigError, match=f"seed={seed} must be at least 0 and below 2"):
            elsinore.Agent("dqn", BOX, TWO, seed=seed)
    bonus = {"rnd.weight": 0.5, "rnd.anneal": 0.9}
    with pytest.raises(ConfigError, match="anneal_share=0.4 is a share of the longest possible ep"):
        elsinore.Agent("dqn", BOX, TWO, **bonus)
    elsinore.Agent("dqn", BOX, TWO, **bonus, **{"rnd.anneal_share": 0.0})
    with pytest.raises(ConfigError, match="env_steps='1e5' must be a whole number"):
        elsinore.Agent("dqn", BOX, TWO, env_steps="1e5")
    for space, wrong in (
        (gymnasium.spaces.Discrete(5, start=2), 1),  # it was read as the last choice
        (gymnasium.spaces.MultiDiscrete([2, 3]), [2, 0]),  # as a choice of the second
    ):
        with pytest.raises(ConfigError, match=r"which is read as \(5,\) \(.* is not in its space"):
            elsinore.Agent("dqn", space, TWO).act(wrong)
    with pytest.raises(ConfigError, match="-1 is out of bounds for uint8"):
        elsinore.Agent("dqn", gymnasium.spaces.Box(0, 9, (2,), np.uint8), TWO).act([0, -1])
    agent = agent_of("dqn")
    with pytest.raises(ConfigError, match=r"of shape \(3,\); .* which is read as \(5,\)"):
        agent.act(np.zeros(3))
    with pytest.raises(ConfigError, match="there is no action yet"):
        agent.observe(0.0, False, False, np.zeros(5))
    (tmp_path / "odd.npz").write_bytes(b"no")
    with pytest.raises(ConfigError, match="is no agent that Agent.save wrote"):
        elsinore.Agent.load(tmp_path / "odd.npz")
    agent.act(np.zeros(5))
    with pytest.raises(ConfigError, match=r"observe\(\) what the last action led to first"):
        agent.act(np.zeros(5))
    with pytest.raises(ConfigError, match=r"observe\(\) what the last action led to first"):
        agent.save(tmp_path / "agent.npz")


@pytest.mark.parametrize(
    ("num_envs", "result", "reason"),
    [
        (1, {"reward": np.nan}, "reward=nan must be a finite number"),
        (1, {"reward": None}, "reward=None must be a finite number"),
        (1, {"reward": "1.0"}, "reward='1.0' must be a finite number"),
        (1, {"reward": [1.0, 2.0]}, "must be a finite number"),
        (2, {"reward": 1.0}, "reward=1.0 must be a finite number for each of 2 envs"),
        (1, {"terminated": "False"}, "terminated='False' must be True or False"),
        (2, {"terminated": [[True], []]}, "must be True or False for each of 2 envs"),
        (1, {"truncated": 2}, "truncated=2 must be True or False"),
        (2, {"truncated": [False]}, "truncated=[False] must be True or False for each of 2 envs"),
        (1, {"next_obs": [np.nan] * 5}, "an observation is NaN or infinite"),
    ],
)
def test_a_result_that_cannot_be_learnt_from_is_refused_and_may_be_given_again(
    num_envs, result, reason
):
    agent = agent_of("dqn", num_envs=num_envs)
    rows = (num_envs,) if num_envs > 1 else ()
    agent.act(np.zeros((*rows, 5), np.float32))
    sound = {
        "reward": np.ones(rows),
        "terminated": np.zeros(rows, bool),
        "truncated": np.zeros(rows, int),
        "next_obs": np.zeros((*rows, 5), np.float32),
    }
    with pytest.raises(ConfigError) as error:
        agent.observe(**sound | result)
    assert reason in str(error.value)
    agent.observe(**sound)


@pytest.mark.parametrize(
    ("name", "action_space", "flags", "wanted"),
    [
        ("ppo", gymnasium.spaces.MultiDiscrete([2, 3]), 6, 5),  # 6: padded to [choice, option]
        *((name, TWO, 3, 2) for name in ("ppo", "dqn", "pqn", "sac_discrete")),
    ],
)
def test_a_mask_of_another_layout_than_the_actions_is_refused(name, action_space, flags, wanted):
    mask = gymnasium.spaces.MultiBinary(flags)
    space = gymnasium.spaces.Dict({"seen": BOX, "action_mask": mask})
    reason = rf"action_mask of shape \({flags},\).*give it shape \({wanted},\)"
    with pytest.raises(ConfigError, match=reason):
        elsinore.Agent(name, space, action_space)
