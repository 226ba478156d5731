"""VDN: the sum of the agents' values is learnt from the reward of their team."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.teams import Orchestra, Params
from elsinore.algos.common import RolloutData
from elsinore.algos.dqn import DQNEquations
from elsinore.algos.pqn import with_lambda_returns
from elsinore.algos.replay import buffer_for
from elsinore.algos.value_based import action_values
from elsinore.algos.vdn import team_transitions
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.errors import ConfigError
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.experience.replay_buffer import ReplayBatch
from elsinore.types import Transition
from tests.algos.trainees import DQN, GRU, KEY, PQN, RAINBOW, assert_same, compiled
from tests.small_envs import Clocked, Forever

ENV, PARAMS = Orchestra(), Params()
SMALL = DQN(num_envs=6, rollout_length=4, learning_starts=24, buffer_size=96, batch_size=8)
QUICK = PQN(num_envs=6, rollout_length=4, num_minibatches=2)


class Table(nn.Module):
    """Q(o, a) = 1, 2, 3 and 4 for observations (1, 0) and (0, 1) with actions 0 and 1."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        scale = self.param("scale", nn.initializers.ones, ())
        q = scale * obs @ jnp.array([[1.0, 2.0], [3.0, 4.0]])
        return q, jnp.max(q)


class Constant(nn.Module):
    """Q = 4 and 1, whatever is seen."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        q = self.param("q", lambda key: jnp.array([4.0, 1.0]))
        return q, jnp.max(q)


class Count(nn.Module):
    """Q is the number of observations seen, for each action."""

    num_outputs: int

    def initial_carry(self):
        return jnp.float32(0.0)

    @nn.compact
    def __call__(self, carry, obs):
        q = carry + 1.0 + self.param("bias", nn.initializers.zeros, (self.num_outputs,))
        return carry + 1.0, (q, jnp.max(q))


def test_the_loss_is_that_of_the_sum_of_the_agents_values():
    config = replace(SMALL, batch_size=2)
    values = action_values(config, MultiAgentEnv(ENV, 3, mixing="sum"), PARAMS, Table)
    parts = DQNEquations(config, values, buffer_for(config, None, 3), team=3)
    one, two = [1.0, 0.0], [0.0, 1.0]
    batch = ReplayBatch(
        obs=jnp.array([one, two, one, two, two, one]),
        action=jnp.array([0, 1, 1, 0, 0, 0]),
        reward=jnp.array([1.0, -1.0]),
        discount=jnp.array([0.5, 0.0]),  # the second is the team's last
        next_obs=jnp.array([one, one, two, two, two, two]),
    )
    params = values.net.init(KEY, jnp.zeros(2))
    total, aux = parts.loss(jnp.ones(2), params, KEY, params, batch)
    # values 1 + 4 + 2 and 3 + 3 + 1; targets 1 + 0.5 (2 + 2 + 4) and -1
    np.testing.assert_allclose(aux.td_error.values, [7.0 - 5.0, 7.0 + 1.0])
    np.testing.assert_allclose(total, 0.5 * (2.0**2 + 8.0**2) / 2)


def test_targets_of_pqn_are_lambda_returns_of_the_sum_and_of_the_teams_reward():
    """Two steps of two teams of three agents."""
    env = MultiAgentEnv(ENV, 3, mixing="sum")
    values = action_values(QUICK, env, PARAMS, Table)
    state = compiled(QUICK, env, PARAMS, 4, Table).begin()
    hyper = state.hyper._replace(gamma=0.5, q_lambda=0.5)
    one, two = [1.0, 0.0], [0.0, 1.0]  # whose best actions are worth 2 and 4
    no, first = [False] * 6, [True] + [False] * 5
    experience = Transition(
        obs=jnp.array([[one] * 6, [two] * 6]),
        action=jnp.arange(12).reshape(2, 6) % 2,
        reward=jnp.array([[3.0, 0.0, 0.0, 6.0, 6.0, 6.0], [1.0, 2.0, 3.0, -1.0, -1.0, -1.0]]),
        terminated=jnp.array([no, [False] * 3 + [True] * 3]),
        truncated=jnp.array([first, no]),  # the first team's agents end together with any
        final_obs=jnp.array([[one, one, two] + [two] * 3, [one] * 3 + [two] * 3]),
        log_prob=(),
    )
    batch = with_lambda_returns(values, RolloutData(experience, state, hyper, None, state), 3)
    # by time: 1 + .5 x (2 + 2 + 4) at an end; 6 + .5 x (.5 x 12 + .5 x -1), after which
    # 2 + .5 x (2 + 2 + 2) at the rollout's end; -1 without a future
    np.testing.assert_allclose(batch.target, [5.0, 8.75, 5.0, -1.0])
    np.testing.assert_array_equal(batch.action[1], [1, 0, 1])
    assert batch.obs.shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("q_lambda", "targets"), [(0.0, [5.0, 5.0, 5.0]), (0.5, [4.0625, 4.25, 5.0])]
)
def test_the_loss_of_pqn_is_that_of_the_sum(q_lambda, targets):
    """Two agents whose better action is thought worth 4, so that the team's is worth 8; a step pays
    both of them 1."""
    error = np.mean(np.square(8.0 - np.array(targets)))
    assert first_loss(Constant, q_lambda=q_lambda) == pytest.approx(error / 2, rel=1e-5)


def test_the_sum_of_policies_that_remember_is_learnt_from_whole_teams():
    """An agent's value is the number of observations it has seen: 1, 2, 3, and one more of the next
    one. So the team's are 2, 4, 6, and the targets 1 + .5 x (4, 6, 8)."""
    assert first_loss(Count, q_lambda=0.0) == pytest.approx((1 + 0 + 1) / 3 / 2, rel=1e-5)


def first_loss(network, **config):
    """The loss of one update of two teams of two agents that never explore."""
    one_step = {"num_minibatches": 1, "num_epochs": 1, "gamma": 0.5, "rollout_length": 3}
    greedy = {"epsilon": 0.0, "epsilon_final": 0.0, "num_envs": 4}
    env = MultiAgentEnv(Forever(), 2, mixing="sum")
    params = Clocked(max_steps_in_episode=1_000)
    _, begin, update = compiled(PQN(**one_step | greedy | config), env, params, 4, network)
    return float(update(begin())[1]["loss/value"].total)


def test_minibatches_of_pqn_are_of_whole_teams():
    env = MultiAgentEnv(ENV, 3, mixing="sum")  # two teams of four steps, 24 steps of agents
    with pytest.raises(ValueError, match="num_minibatches=3 does not divide the 8 transitions"):
        compiled(replace(QUICK, num_minibatches=3), env, PARAMS, 4)


def test_a_team_is_paid_the_mean_and_ends_with_any_of_its_agents():
    flags = lambda *rows: jnp.array(rows, bool)  # noqa: E731
    experience = Transition(
        obs={"seen": jnp.arange(8.0).reshape(2, 4, 1)},
        action=jnp.arange(8).reshape(2, 4),
        reward=jnp.array([[1.0, 3.0, 0.0, 0.0], [1.0, 1.0, -1.0, 0.0]]),
        terminated=flags([1, 1, 0, 0], [1, 0, 0, 0]),
        truncated=flags([0, 0, 0, 0], [0, 1, 1, 1]),
        final_obs={"seen": jnp.arange(8.0).reshape(2, 4, 1)},
        log_prob=(),
    )
    teams = team_transitions(experience, 2)
    np.testing.assert_array_equal(teams.reward, [[2.0, 0.0], [1.0, -0.5]])
    np.testing.assert_array_equal(teams.terminated, [[True, False], [False, False]])
    np.testing.assert_array_equal(teams.truncated, [[False, False], [True, True]])
    assert teams.obs["seen"].shape == (2, 2, 2, 1)
    np.testing.assert_array_equal(teams.action[1, 1], [6, 7])


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        pytest.param(replace(SMALL, **RAINBOW), marks=pytest.mark.slow),
        QUICK,
        pytest.param(replace(QUICK, network=GRU), marks=pytest.mark.slow),
    ],
    ids=["dqn", "rainbow", "pqn", "pqn gru"],
)
def test_one_agent_learns_bit_for_bit_what_it_does_alone(config):
    found = []
    for mixing in ("none", "sum"):
        _, begin, update = compiled(config, MultiAgentEnv(ENV, 1, mixing=mixing), PARAMS, 4)
        state, _ = update(begin())
        found.append(update(state)[0].learner)
    assert_same(found[0].params, found[1].params)
    assert_same(found[0].opt_state, found[1].opt_state)
    begun = jax.tree.leaves(begin().learner.params)
    learnt = jax.tree.leaves(found[1].params)
    assert any(not np.array_equal(*x) for x in zip(begun, learnt, strict=True))


# Settings

TEAM = {"agents.number": 3, "agents.sharing": "shared", "agents.mixing": "sum", "algo": "dqn"}


def test_a_run_says_what_its_learner_learns():
    experiment = load_experiment("CartPole-v1", overrides=TEAM)
    assert experiment.agents.described().endswith("one learner for all, of the sum of their values")
    plan = plan_for(experiment)
    config, stored = experiment.algo, plan.state_shapes.train.learner.buffer.experience
    slots = config.buffer_size // (3 * config.num_envs)
    assert stored.reward.shape == (slots, config.num_envs)
    assert stored.action.shape == (slots, config.num_envs, 3)
    assert stored.obs.shape == (slots, config.num_envs, 3, 4)


@pytest.mark.parametrize("gru", [None, 8])
def test_pqn_of_a_team_has_a_plan_with_and_without_a_memory(gru):
    settings = TEAM | {"algo": "pqn", "algo.num_minibatches": 4, "algo.network.gru": gru}
    plan_for(load_experiment("CartPole-v1", overrides=settings)).trace()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"agents.number": 1}, "mixing='sum' is of several agents"),
        ({"agents.sharing": "independent"}, "sharing='independent'; use agents.sharing: shared"),
        ({"agents.mixing": "product"}, "mixing='product' is unknown; choose none or sum"),
        ({"algo": "ppo"}, "agents.mixing='sum' is of algo: dqn or pqn, and not of algo='ppo'"),
        ({"algo.distribution": "qr"}, "algo.distribution='qr' learns something else"),
        ({"algo.munchausen": True, "algo.n_step": 1}, "algo.munchausen=True learns something else"),
        ({"algo.network.gru": 8}, "algo.network is recurrent; .* use algo: pqn"),
        ({"agents.critic": "joint"}, "agents.critic='joint' is of algo: ppo or a2c"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan_for(load_experiment("CartPole-v1", overrides=TEAM | settings))
