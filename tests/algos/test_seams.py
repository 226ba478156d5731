"""Where a replay buffer stays and its environments do not, windows end with their episodes."""

import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments.environment import EnvState

import elsinore
from elsinore.algos.dqn import DQNConfig, dqn
from elsinore.algos.replay import buffer_for, truncate_running
from elsinore.nets.config import NetworkConfig
from elsinore.runs.host.training import _without_envs
from elsinore.training.early_stopping import ConvergenceConfig, init_convergence
from elsinore.training.population import PBTConfig, Population, evolve
from elsinore.types import Best, RunState
from tests.small_envs import Clocked, World

SMALL = {
    "num_envs": 1,
    "rollout_length": 4,
    "n_step": 3,
    "buffer_size": 64,
    "batch_size": 16,
    "learning_starts": 4,
}
QUIET = {
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
    "replays.share": 0,
    "evaluation.period": 5,
    "evaluation.episodes": 1,
    "evaluation.final_episodes": 1,
    "evaluation.max_steps": 3,
    "algo.network.hidden": [4],
} | {f"algo.{name}": value for name, value in SMALL.items()}


@struct.dataclass
class Named(EnvState):
    name: jax.Array


@dataclass(frozen=True)
class Endless(World):
    """Never ends; each episode has a number of its own, which is each observation and reward."""

    def reset_env(self, key, params):
        name = jax.random.randint(key, (), 1, 1000).astype(jnp.float32)
        return name[None], Named(time=jnp.int32(0), name=name)

    def step_env(self, key, state, action, params):
        state = state.replace(time=state.time + 1)
        return state.name[None], state, state.name, jnp.bool_(False), {}


class OnTheHost:
    """The same in Python, which takes no seed, so its episodes cannot be repeated."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    max_steps_in_episode = 100_000
    names = itertools.count(1)

    def reset(self):
        self.name = float(next(self.names))
        return np.array([self.name], np.float32)

    def step(self, action):
        return np.array([self.name], np.float32), self.name, False, False, {}


def episodes_in(config, buffer):
    """The episodes of a buffer of one env; fails for a window that holds two."""
    replay = getattr(buffer, "replay", buffer)
    batch, *_ = buffer_for(config).sample(buffer, jax.random.key(5), 512, 1.0, 1.0)
    first, last, total = (
        np.asarray(x).reshape(-1) for x in (batch.obs, batch.next_obs, batch.reward)
    )
    assert (first == last).all()
    assert np.isin(total / first, (1, 2, 3)).all()
    return set(np.asarray(replay.experience.reward)[: int(replay.filled), 0].tolist())


def buffer_of(run):
    return jax.tree.map(lambda x: jnp.asarray(x[0]), run.state("latest").train.learner.buffer)


@pytest.mark.slow
@pytest.mark.parametrize("prioritized", [False, True])
def test_a_member_that_is_copied_has_windows_of_one_episode_each(prioritized):
    network = NetworkConfig(hidden=(4,))
    config = DQNConfig(**SMALL, gamma=1.0, prioritized=prioritized, network=network)
    env, params = Endless(), Clocked(max_steps_in_episode=10**6)
    algo = dqn(config, env, params, 100)
    update, states = jax.jit(algo.update), []
    for i, score in enumerate((1.0, 0.0)):
        train = algo.init(jax.random.key(i), params, algo.hyper)
        train = update(update(train)[0])[0]
        convergence = init_convergence(ConvergenceConfig())._replace(history=jnp.full(3, score))
        best = Best(jnp.float32(0), jnp.int32(0), train.policy_state)
        states.append(RunState(train, (), convergence, best))
    state = jax.tree.map(lambda *x: jnp.stack(x), *states)
    pbt = PBTConfig(quantile=0.5, perturb=(1.0,), resample=0.0)
    after, found = evolve(pbt, (), Population(2, 1))(state, jnp.int32(1))
    assert np.asarray(found["population/parent"])[1] == 0
    parent, copy = (
        update(jax.tree.map(lambda x, i=i: x[i], after.train))[0].learner.buffer for i in (0, 1)
    )
    assert len(episodes_in(config, copy)) == 2
    kept = getattr(parent, "replay", parent).experience
    assert not np.asarray(kept.truncated | kept.terminated).any()  # its episode goes on


def test_a_resumed_run_of_fresh_episodes_has_windows_of_one_episode_each(tmp_path):
    settings = {"overrides": QUIET, "runs_dir": tmp_path, "check": False}
    run = elsinore.train(OnTheHost(), "dqn", env_steps=20, **settings)
    again = elsinore.resume(run.path, env=OnTheHost(), env_steps=40)
    assert len(episodes_in(again.experiment.algo, buffer_of(again))) == 2


def test_a_run_that_takes_a_buffer_has_windows_of_one_episode_each(tmp_path):
    settings = {"env_steps": 20, "runs_dir": tmp_path, "check": False}
    first = elsinore.train(Endless(), "dqn", overrides=QUIET, name="first", **settings)
    other = QUIET | {"algo.learning_rate": 1e-3, "seed": 7}
    start = {"from_run": f"{first.path}@latest", "from_parts": "all"}
    run = elsinore.train(Endless(), "dqn", overrides=other, **start, **settings)
    assert len(episodes_in(run.experiment.algo, buffer_of(run))) == 2


def agent_of(algo="dqn", **more):
    space = OnTheHost.observation_space
    settings = {"network.hidden": [4], "gamma": 1.0, **more}
    return elsinore.Agent(algo, space, OnTheHost.action_space, env_steps=1000, **settings)


def live(agent, name, steps):
    for _ in range(steps):
        agent.act(np.full(1, name, np.float32))
        agent.observe(name, False, False, np.full(1, name, np.float32))
        agent.learn()


@pytest.mark.parametrize("steps", [8, 10])  # at the end of a rollout, and within one
def test_an_agent_that_begins_another_episode_has_windows_of_one_each(steps, tmp_path):
    agent = agent_of(**SMALL)
    live(agent, 1.0, steps)
    agent = elsinore.Agent.load(agent.save(tmp_path / "agent.npz"))
    agent.act(np.ones(1, np.float32))  # an action whose result never comes
    agent.new_episode()
    live(agent, 100.0, 14)
    assert episodes_in(agent.config, agent.state.learner.buffer) == {1.0, 100.0}


def test_a_recurrent_agent_begins_another_episode_without_memory():
    agents = [
        agent_of("ppo", rollout_length=8, num_minibatches=1, **{"network.gru": 4}) for _ in range(2)
    ]
    live(agents[0], 5.0, 3)
    agents[0].new_episode()
    for agent in agents:
        live(agent, 2.0, 1)
    carries = [jax.tree.leaves(agent._carry) for agent in agents]
    assert all(map(np.array_equal, *carries))
    assert agents[0]._steps[2].truncated.all() and not agents[0]._steps[3].truncated.any()


def test_a_return_of_an_episode_that_was_left_is_not_continued_in_the_scale_of_rewards():
    scaled = {"normalize_rewards": True, "num_minibatches": 1, "num_envs": 2, "rollout_length": 4}
    agent = elsinore.Agent("ppo", OnTheHost.observation_space, OnTheHost.action_space, **scaled)
    for _ in range(4):
        agent.act(np.ones((2, 1), np.float32))
        agent.observe(np.ones(2), [False] * 2, [False] * 2, np.ones((2, 1), np.float32))
        agent.learn()
    before = np.asarray(agent.state.stats.running_return)
    assert (before > 3.0).all()
    agent.new_episode([True, False])
    assert agent.state.stats.running_return.tolist() == [0.0, before[1]]
    state = agent.state._replace(actor=agent.state.actor._replace(env_state=()))
    vector = SimpleNamespace(
        restarted=np.array([False, True]), obs=0, episode_return=0, episode_length=0
    )
    left = _without_envs(state, cast(Any, vector), ())
    assert left.stats.running_return.tolist() == [0.0, 0.0] and not vector.restarted.any()


def test_a_step_that_terminated_stays_so_and_other_rows_go_on():
    config = DQNConfig(**SMALL | {"num_envs": 3, "n_step": 1})
    algo = dqn(config, Endless(), Clocked(max_steps_in_episode=10**6), 100)
    train = algo.init(jax.random.key(0), Clocked(max_steps_in_episode=10**6), algo.hyper)
    learner = jax.jit(algo.update)(train)[0].learner
    stored = learner.buffer.experience
    ended = stored._replace(terminated=stored.terminated.at[3, 0].set(True))
    learner = learner._replace(buffer=learner.buffer._replace(experience=ended))
    cut = truncate_running(learner, jnp.array([True, True, False])).buffer.experience
    assert np.argwhere(np.asarray(cut.truncated)).tolist() == [[3, 1]]
    assert np.array_equal(cut.terminated, ended.terminated)
    assert truncate_running(Best(0, 0, 0)) == Best(0, 0, 0)  # nothing to cut


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_an_environment_that_writes_over_its_arrays_does_not_change_what_was_seen(algo):
    more = SMALL if algo == "dqn" else {"rollout_length": 8}
    agent = agent_of(algo, **more | {"rollout_length": 8})
    state, reward = np.zeros(1, np.float32), np.zeros((), np.float32)
    for _ in range(7):
        agent.act(state)
        state += 1
        reward += 10
        agent.observe(reward, False, False, state)
    seen = np.array([[x.obs[0, 0], x.reward[0], x.final_obs[0, 0]] for x in agent._steps])
    assert seen.tolist() == [[t, 10.0 * t + 10, t + 1] for t in range(7)]
