"""Self-play: the pool of frozen policies, who is drawn from it, and what is refused."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.envs import make
from elsinore.envs.rivals import Rival
from elsinore.jaxtools.prng import for_update
from elsinore.runs.policy import Policy
from elsinore.training.curriculum import RolloutOutcome
from elsinore.training.self_play import (
    EPSILON,
    POOL,
    Exploring,
    PoolState,
    SelfPlayConfig,
    drawn,
    rival_move,
    self_play,
)
from elsinore.types import PolicyState
from elsinore.worlds.nim.env import NimParams

TINY = {
    "env_steps": 12 * 4 * 8,  # twelve updates
    "algo.num_envs": 4,
    "algo.rollout_length": 8,
    "algo.num_minibatches": 2,
    "algo.num_epochs": 1,
    "algo.network.hidden": [8],
    "evaluation.period": 12,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 64,
    "rows_per_chunk": 12,
    "convergence.enabled": False,
}
OURS = {"pool": 3, "period": 2, "latest": 0.5}
VALUES = {  # the same of algorithms of action values
    "dqn": {
        "algo.rollout_length": 8,
        "algo.buffer_size": 200,
        "algo.batch_size": 16,
        "algo.learning_starts": 0,
        "algo.num_minibatches": None,
        "algo.num_epochs": None,
    },
    "pqn": {},
}


def policy(number: float) -> PolicyState:
    return PolicyState({"w": jnp.full(2, number)}, ())


def outcome(update: int, env_params: Any) -> RolloutOutcome:
    rest = (None, {}, jnp.int32(update), 32, env_params)
    key = for_update(jax.random.key(7), update)
    return RolloutOutcome(*rest, policy(float(update)), key)


def rivals_of(config: SelfPlayConfig, updates: int) -> tuple[list[float], PoolState]:
    """The rival after each update, where the policy after update u is u in all its numbers."""
    curriculum = self_play(config, policy(0.0))
    state, params = curriculum.begin(NimParams())
    rivals = [float(params.rival.params["w"][0])]
    advance = jax.jit(curriculum.advance)
    for update in range(1, updates + 1):
        state, params, score = advance(state, outcome(update, params))
        rivals.append(float(params.rival.params["w"][0]))
        assert float(score.total) == min(1 + update // config.period, config.pool)
    return rivals, state


def test_a_policy_is_frozen_every_period_and_replaces_the_oldest():
    rivals, state = rivals_of(SelfPlayConfig(pool=3, period=2), updates=9)
    assert sorted(state.pool.params["w"][:, 0].tolist()) == [4, 6, 8]
    assert int(state.frozen) == 5  # the first one, and those after updates 2, 4, 6, 8
    assert set(rivals) <= {0, 2, 4, 6, 8} and all(r <= u for u, r in enumerate(rivals))


def test_the_newest_alone_is_drawn_where_latest_is_1():
    rivals, _ = rivals_of(SelfPlayConfig(pool=3, period=2, latest=1.0), updates=9)
    assert rivals == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]


def test_a_ring_of_one_holds_the_newest():
    rivals, _ = rivals_of(SelfPlayConfig(pool=1, period=3, latest=0.0), updates=7)
    assert rivals == [0, 0, 0, 3, 3, 3, 6, 6]


@pytest.mark.parametrize("frozen", [2, 4, 9])
def test_the_newest_is_drawn_by_its_probability_and_the_others_alike(frozen):
    """Of a pool of 4 with `latest` 0.6: the newest 0.6 + 0.4 / n, each other one 0.4 / n."""
    config, number = SelfPlayConfig(pool=4, latest=0.6), 10_000
    keys = jax.random.split(jax.random.key(frozen), number)
    places = jax.vmap(lambda key: drawn(key, jnp.int32(frozen), config))(keys)
    shares = np.bincount(places, minlength=4) / number
    there = min(frozen, 4)
    expected = np.where(np.arange(4) < there, 0.4 / there, 0.0)
    expected[(frozen - 1) % 4] += 0.6
    assert shares == pytest.approx(expected, abs=4 * 0.5 / number**0.5)


class Trained(NamedTuple):
    plan: Any
    start: Any
    state: Any
    report: Any


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Twelve updates of one seed, with evaluations against the perfect player."""
    more = {"self_play": OURS, "env_kwargs": {"rival": "perfect"}}
    plan = plan_for(load_experiment("Nim", "ppo", overrides=TINY | more))
    start = jax.jit(plan.program.init)(jax.random.key(0))
    state, report = jax.jit(plan.program.chunk)(start, jnp.int32(12))
    return Trained(plan, start, state, report)


def test_the_first_rival_moves_uniformly_over_the_legal_moves(trained):
    rival = trained.start.train.env_params.rival
    assert not any(np.asarray(x).any() for x in jax.tree.leaves(rival))
    env, _ = make("Nim")
    act = trained.plan.program.algo.policy.act
    keys = jax.random.split(jax.random.key(1), 3000)
    for heap, legal in ((21, 3), (2, 2), (1, 1)):
        seen = env.seen(jnp.int32(heap))
        moves = jax.vmap(lambda key, seen=seen: act(key, rival, (), seen, False)[0])(keys)
        shares = np.bincount(moves, minlength=3) / 3000
        expected = (np.arange(3) < legal) / legal
        assert shares == pytest.approx(expected, abs=4 * 0.5 / 3000**0.5)


def test_the_rival_of_a_rollout_is_a_policy_that_the_learner_was(trained):
    pool, rival = trained.state.curriculum.pool, trained.state.train.env_params.rival
    same = [
        all(
            bool((a[i] == b).all())
            for a, b in zip(*map(jax.tree.leaves, (pool, rival)), strict=True)
        )
        for i in range(3)
    ]
    assert same.count(True) == 1
    newest = jax.tree.map(lambda x: x[(trained.state.curriculum.frozen - 1) % 3], pool)
    assert jax.tree.all(
        jax.tree.map(lambda a, b: (a == b).all(), newest, trained.state.train.policy_state)
    )  # frozen after the twelfth update, the last one


def test_the_pool_is_a_metric_and_no_stages_are(trained):
    sizes = trained.report.metrics[POOL]
    assert (sizes.total / sizes.count).tolist() == [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    assert trained.report.stage_changes == ()
    assert ("", "curriculum/score") not in trained.report.metrics.names


def test_an_evaluation_is_against_the_rival_of_the_environment(trained):
    """The perfect player, to whom a policy of 12 updates loses; against a copy it would be even."""
    play, train = jax.jit(trained.plan.program.evaluate), trained.state.train
    episodes = play(train.policy_state, train.env_params, jax.random.key(0))
    assert float(episodes.returns.mean()) < -0.5 and bool(episodes.ended.all())
    other = jax.tree.map(jnp.ones_like, train.env_params.rival)
    again = play(train.policy_state, train.env_params.replace(rival=other), jax.random.key(0))
    assert (episodes.returns == again.returns).all()


@pytest.fixture(scope="module", params=VALUES)
def trained_values(request) -> Trained:
    """Twelve updates of one seed by an algorithm of action values; epsilon falls to 0.1 in six."""
    settings = TINY | VALUES[request.param] | {"self_play": OURS}
    settings |= {"algo.epsilon": 1.0, "algo.epsilon_final": 0.1, "algo.epsilon_fraction": 0.5}
    settings = {name: value for name, value in settings.items() if value is not None}
    plan = plan_for(load_experiment("Nim", request.param, overrides=settings))
    start = jax.jit(plan.program.init)(jax.random.key(0))
    state, report = jax.jit(plan.program.chunk)(start, jnp.int32(12))
    return Trained(plan, start, state, report)


@pytest.mark.slow
def test_a_frozen_policy_of_action_values_keeps_the_epsilon_it_was_trained_with(trained_values):
    pool, epsilon = trained_values.state.curriculum.pool, trained_values.report.metrics[EPSILON]
    of_update = epsilon.total / epsilon.count  # of updates 1 to 12
    assert of_update.tolist() == pytest.approx([*np.linspace(1.0, 0.25, 6), *[0.1] * 6], abs=1e-6)
    places = {update: (update // 2) % 3 for update in (8, 10, 12)}  # in a ring of three
    for update, place in places.items():
        assert float(pool.epsilon[place]) == float(of_update[update - 1])
    newest = jax.tree.map(lambda x: x[places[12]], pool.policy_state)
    learnt = trained_values.state.train.policy_state
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), newest, learnt))


def test_the_first_rival_of_action_values_explores_always(trained_values):
    rival = trained_values.start.train.env_params.rival
    assert isinstance(rival, Exploring) and float(rival.epsilon) == 1.0
    assert moves_of(trained_values, rival, 21) == pytest.approx([1 / 3] * 3, abs=0.04)
    assert moves_of(trained_values, rival, 2) == pytest.approx([1 / 2, 1 / 2, 0], abs=0.04)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_a_rival_of_action_values_explores_by_its_own_epsilon(trained_values, epsilon):
    policy_state = trained_values.state.train.policy_state
    shares = moves_of(trained_values, Exploring(policy_state, jnp.float32(epsilon)), 21)
    best = int(np.argmax(shares))
    expected = [epsilon / 3 + (1 - epsilon) * (move == best) for move in range(3)]
    assert shares == pytest.approx(expected, abs=0.04)


def moves_of(trained: Trained, rival: Any, heap: int) -> list[float]:
    """The share of each move among 3,000 moves of a rival."""
    env, _ = make("Nim")
    seen, keys = env.seen(jnp.int32(heap)), jax.random.split(jax.random.key(1), 3000)
    move = lambda key: rival_move(trained.plan.program.algo.policy, key, rival, seen)  # noqa: E731
    return (np.bincount(jax.vmap(move)(keys), minlength=3) / 3000).tolist()


def test_the_plan_has_a_line_about_it(trained):
    (line,) = [x for x in plan_facts(trained.plan) if x.startswith("self-play")]
    assert "last 3 of the policies frozen every 2 updates" in line and "0.667" in line


@pytest.mark.parametrize(("period", "warned"), [(4, False), (5, True), (100, True)])
def test_the_plan_warns_where_no_frozen_policy_is_met(period, warned):
    settings = TINY | {"self_play": {"period": period}, "env_steps": 5 * 4 * 8}
    plan = plan_for(load_experiment(env="Nim", overrides=settings))
    assert plan.schedule.num_updates == 5
    lines = [line for line in plan_facts(plan) if "every rival moves at random" in line]
    assert len(lines) == warned


def test_a_game_of_two_of_ones_own_can_be_played():
    """Any environment that follows the protocol, given as an object."""
    env, _ = make("Nim", {"heap": 9, "most": 2})
    plan = plan_for(load_experiment("Nim", "a2c", overrides={"self_play": OURS}), env=env)
    shapes = plan.state_shapes
    assert shapes.curriculum.pool.params["params"] is not None
    assert shapes.train.env_params.rival.params.keys() == shapes.train.learner.params.keys()


REFUSED = {
    "CartPole": ({}, "env='CartPole-v1' has no rival .* use Nim or a game of Pgx"),
    "sac": ({"algo.name": "sac_discrete"}, "algo='sac_discrete'; use ppo, a2c, dqn or pqn, or set"),
    "agents": ({"agents.number": 2}, "agents.number=2; train one agent"),
    "curriculum": (
        {"curriculum.stages": [{"params": {"max_steps_in_episode": 5}}]},
        "a curriculum beside it; set curriculum: null",
    ),
    "imitation": ({"imitation.teacher": "belady"}, "imitation of 'belady'; set imitation: null"),
    "gru": ({"algo.network.gru": 8}, "a recurrent network .* set it to null"),
    "shards": ({"shards": 2}, "shards=2 cannot be used with self_play; set self_play: null"),
    "episodes": (
        {"convergence.counts": "episodes", "convergence.target": 1.0},
        "convergence.counts='episodes', .* count evaluations",
    ),
    "wrappers": ({"wrappers": [{"scale_reward": 2.0}]}, "wrappers, .* leave them out"),
    "pbt": (
        {"vary": {"algo.gamma": [0.9, 0.99]}, "population.pbt": {}},
        "population.pbt, .* set population.pbt: null",
    ),
    "pool": ({"self_play.pool": 0}, "self_play.pool=0 must be at least 1"),
    "latest": ({"self_play.latest": 1.5}, "self_play.latest=1.5 must lie in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_self_play_does_not_have_is_refused_by_name(case):
    settings, message = REFUSED[case]
    env = "CartPole-v1" if case == "CartPole" else "Nim"
    with pytest.raises(elsinore.ConfigError, match=message):
        plan_for(load_experiment(env, overrides={"self_play": OURS} | settings))


def test_a_pool_for_which_there_is_no_memory_is_named():
    plan = plan_for(load_experiment("Nim", "ppo", overrides={"self_play.pool": 10**9}))
    with pytest.raises(elsinore.ConfigError, match="lower self_play.pool=1000000000, algo.num"):
        plan.memory.refuse_what_does_not_fit()


def test_a_curriculum_given_as_an_object_is_refused():
    with pytest.raises(elsinore.ConfigError, match="a curriculum beside it"):
        ours = self_play(SelfPlayConfig(), policy(0.0))
        plan_for(load_experiment("Nim", overrides={"self_play": OURS}), curriculum=ours)


def test_an_environment_on_the_host_is_refused():
    pytest.importorskip("gymnasium")
    with pytest.raises(
        elsinore.ConfigError, match="'gym/CartPole-v1', which is stepped on the host"
    ):
        plan_for(load_experiment("gym/CartPole-v1", overrides={"self_play": OURS}))


def test_a_rival_keeps_its_own_game():
    """The environment of a plan, in which policies are evaluated and shown, has its own rival."""
    env, params = make("Nim", {"rival": Rival(lambda key, params, obs: jnp.int32(0))})
    plan = plan_for(load_experiment("Nim", overrides={"self_play": OURS}), env=env)
    assert plan.env is env and plan.env_params == params


def test_a_policy_of_another_game_is_no_rival(trained):
    policy = Policy(
        trained.plan.program.algo,
        trained.state.train.policy_state,
        jax.eval_shape(make("Nim")[0].seen, jnp.int32(0)),
        seed=0,
    )
    load_and_plan = lambda env: plan_for(load_experiment("Nim", "a2c"), env=env)  # noqa: E731
    load_and_plan(make("Nim", {"rival": policy})[0])
    other, _ = make("Nim", {"rival": policy, "heap": 33})
    with pytest.raises(elsinore.ConfigError, match=r"'float32\[22\]'}.*'float32\[34\]'}"):
        load_and_plan(other)


def test_a_recurrent_policy_is_no_rival():
    plan = plan_for(load_experiment("Nim", "ppo", overrides=TINY | {"algo.network.lru": 8}))
    obs = jax.eval_shape(make("Nim")[0].seen, jnp.int32(0))
    shapes = jax.eval_shape(plan.program.init, jax.random.key(0)).train.policy_state
    policy = Policy(plan.program.algo, jax.tree.map(jnp.zeros_like, shapes), obs, seed=0)
    with pytest.raises(elsinore.ConfigError, match="recurrent .* without algo.network.gru, lstm"):
        make("Nim", {"rival": policy})
