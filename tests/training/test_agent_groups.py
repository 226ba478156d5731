"""Agents that differ live in one env: by their numbers along one axis, by their algorithm in
groups."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.experience.episode_stats import init_episode_stats
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.experience.rollout import init_actor, rollout
from elsinore.jaxtools.agents import AGENTS
from elsinore.training.agent_groups import AgentGroup, grouped
from elsinore.training.evaluation import evaluate
from elsinore.training.independent_learners import independent
from elsinore.types import PER_AGENT, Decision
from tests.algos.trainees import DQN, KEY, PPO, QUICKLY, make
from tests.small_envs import Clocked, Corridor
from tests.training.test_independent_learners import CROWD, TASTE, THREE
from tests.training.test_recording import with_act

UPDATES, ENVS = 20, 4
SMALL_DQN = DQN(num_envs=ENVS, rollout_length=8, learning_starts=32, target_period=32)


def stacked(hyper, **numbers):
    """The numbers of several agents, with those that are given, a list each."""
    size = len(next(iter(numbers.values())))
    each = jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape)), hyper)
    return each._replace(**{name: jnp.float32(values) for name, values in numbers.items()})


def run(algo, params, updates=UPDATES):
    """The first state, those after half of the updates and after all, and the metrics of all."""

    def half(state):
        return jax.lax.scan(lambda state, _: algo.update(state), state, length=updates // 2)

    half = jax.jit(half, compiler_options=QUICKLY)
    first = jax.jit(lambda: algo.init(KEY, params, algo.hyper), compiler_options=QUICKLY)()
    middle, metrics = half(first)
    last, more = half(middle)
    joined = jax.tree.map(lambda *x: np.concatenate(x), metrics, more)
    return first, middle, last, joined


@pytest.fixture(scope="module")
def mixed():
    """Of two PPO agents, of which one does not learn, around one of DQN, who all want to do the
    same."""
    ppo = make(PPO(num_envs=ENVS, rollout_length=8), CROWD, TASTE, UPDATES)
    dqn = make(SMALL_DQN, CROWD, TASTE, UPDATES)
    rates = {"learning_rate": [0.01, 0.0], "learning_rate_final": [0.01, 0.0]}
    groups = (
        AgentGroup(ppo, (0, 2), stacked(ppo.hyper, **rates)),
        AgentGroup(dqn, (1,), stacked(dqn.hyper, gamma=[0.5])),
    )
    return run(grouped(groups, THREE, ENVS), TASTE)


def leaves(tree, agent):
    return [np.asarray(x[agent]) for x in jax.tree.leaves(tree)]


def test_each_learns_by_its_own_algorithm_and_numbers(mixed):
    first, _, last, metrics = mixed
    ppo, dqn = ((a, b) for a, b in zip(first.learner.params, last.learner.params, strict=True))
    assert all(np.array_equal(*x) for x in zip(*(leaves(p, 1) for p in ppo), strict=True))
    for params in ((leaves(p, 0) for p in ppo), (leaves(p, 0) for p in dqn)):
        assert any(not np.array_equal(*x) for x in zip(*params, strict=True))
    counts = {name: mean.count.sum(0) for name, mean in metrics[PER_AGENT].items()}
    assert (counts["loss/policy"][[0, 2]] > 0).all() and counts["loss/policy"][1] == 0
    np.testing.assert_array_equal(counts["schedule/epsilon"], [0, UPDATES, 0])
    rates = metrics[PER_AGENT]["schedule/learning_rate"].total
    np.testing.assert_allclose(rates[:, [0, 2]], [[0.01, 0.0]] * UPDATES, rtol=1e-6)
    total = metrics[PER_AGENT]["loss/value"].total.sum()
    np.testing.assert_allclose(metrics["loss/value"].total.sum(), total, rtol=1e-5)


def test_all_meet_in_one_env(mixed):
    *_, metrics = mixed
    each = metrics[PER_AGENT]["episode/return"]
    # three choose among two actions, for three steps: each step pays 3 + 3 + 3 or 2 + 2 + 1
    counts, totals = each.count.sum(0), each.total.sum(0)
    assert (counts == UPDATES * 8 // 3 * ENVS).all()
    assert 15 * counts[0] <= totals.sum() <= 27 * counts[0]
    np.testing.assert_allclose(metrics["episode/return"].total.sum(), totals.sum(), rtol=1e-5)


def test_each_learns_from_its_own_experience(mixed):
    *_, last, metrics = mixed
    stored = last.learner.groups[1].buffer.experience.reward
    ended = metrics[PER_AGENT]["episode/return"].total[:, 1].sum()
    running = last.actor.episode_return.reshape(ENVS, 3)[:, 1].sum()
    assert np.asarray(stored).sum() == ended + running


def test_each_group_is_evaluated_with_its_own_policy_among_the_others():
    alone = make(PPO(), CROWD, TASTE)
    always = lambda action: with_act(  # noqa: E731
        alone, lambda key, own, carry, obs, greedy: (jnp.int32(action), carry)
    )
    groups = (
        AgentGroup(always(0), (1,), stacked(alone.hyper, gamma=[0.9])),
        AgentGroup(always(1), (0, 2), stacked(alone.hyper, gamma=[0.9, 0.9])),
    )
    algo = grouped(groups, THREE, 2)
    policy_state = jax.eval_shape(lambda: algo.init(KEY, TASTE, algo.hyper)).policy_state
    policy_state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), policy_state)
    episodes = evaluate(
        algo,
        THREE,
        TASTE,
        policy_state,
        KEY,
        episodes=2,
        max_steps=10,
        greedy=True,
        joint_policy=True,
    )
    np.testing.assert_array_equal(episodes.returns, [6.0, 3.0, 6.0] * 2)


def test_agents_with_equal_numbers_are_the_independent_learners_bit_for_bit():
    alone, env = make(SMALL_DQN, Corridor(), Clocked(), 4), MultiAgentEnv(Corridor(), 2)
    gamma = float(alone.hyper.gamma)
    equal = independent(alone, env, stacked(alone.hyper, gamma=[gamma, gamma]))
    other = independent(alone, env, stacked(alone.hyper, gamma=[gamma, 0.1]))
    plain = run(independent(alone, env), Clocked(), 8)[2]
    compared = run(equal, Clocked(), 8)[2]
    same = lambda a, b: [np.array_equal(*x) for x in zip(a, b, strict=True)]  # noqa: E731
    for agent in range(2):
        assert all(same(leaves(plain.learner, agent), leaves(compared.learner, agent)))
    apart = equal._replace(hyper=other.hyper)
    params = run(apart, Clocked(), 8)[2].learner.params
    assert all(same(leaves(params, 0), leaves(plain.learner.params, 0)))
    assert not all(same(leaves(params, 1), leaves(plain.learner.params, 1)))


# Curricula


def test_a_curriculum_counts_the_episodes_of_all_independent_agents():
    def one(action):
        key = jax.random.fold_in(KEY, action)
        actor = init_actor(CROWD, key, TASTE, 2)
        actor = actor._replace(episode_stats=init_episode_stats(("return", "length"), 8, 4))
        act = lambda noise, carry, obs: Decision(jnp.full(2, action), jnp.full(2, action), ())  # noqa: E731
        return rollout(CROWD, TASTE, act, actor, key, jnp.zeros((3, 2)))[0].episode_stats

    stats = jax.vmap(one, axis_name=AGENTS, out_axes=None)(jnp.array([0, 1]))
    assert stats.num == 4  # an episode of each agent in each of two envs
    np.testing.assert_array_equal(stats.recent[0, :4], 3.0)  # alone with its action for 3 steps


STAGES = {
    "stages": [
        {"name": "short", "params": {"max_steps_in_episode": 3},
         "advance_when": {"metric": "length", "above": 1, "window": 5}},
        {"name": "long", "params": {"max_steps_in_episode": 9}},
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    "agents", [{"number": 2}, [{"id": "ann"}, {"id": "bob", "algo": "a2c"}]], ids=["one", "mixed"]
)
def test_independent_agents_have_a_curriculum_together(agents):
    small = {"algo.num_envs": 2, "algo.rollout_length": 4, "algo.num_minibatches": 1}
    settings = small | {"agents": agents, "curriculum": STAGES, "env_steps": 160}
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    plan.trace()
    stats = plan.state_shapes.train.actor.episode_stats
    assert stats.num.shape == () and stats.fresh.shape == (4,)


@pytest.mark.slow
def test_independent_agents_change_stage_together():
    small = {"algo.num_envs": 2, "algo.rollout_length": 4, "algo.num_minibatches": 1}
    settings = small | {"agents.number": 2, "curriculum": STAGES, "env_steps": 160}
    settings |= {"evaluation.episodes": 2, "evaluation.period": 10, "rows_per_chunk": 10}
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    begin = jax.jit(plan.program.init, compiler_options=QUICKLY)
    chunk = jax.jit(partial(plan.program.chunk, num_updates=10), compiler_options=QUICKLY)  # pyright: ignore[reportCallIssue]
    state, report = chunk(begin(KEY))
    # 5 episodes of 3 steps: two agents in two envs have finished 4 by the first update, 8 by the
    # second
    assert int(report.stage_changes.num) == 1 and report.stage_changes.update[0] == 2
    assert state.train.env_params.max_steps_in_episode == 9
