"""A plan is exact about steps and chunks, near about bytes, and refuses before anything is
compiled."""

import re
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from gymnax.environments import spaces
from gymnax.environments.environment import EnvState
from hypothesis import given
from hypothesis import strategies as st

from elsinore.algos.dqn import DQNConfig
from elsinore.algos.ppo import PPOConfig
from elsinore.algos.replay import first_training
from elsinore.config import planned_memory
from elsinore.config.experiment import Experiment
from elsinore.config.learners import program_of
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts, plan_lines
from elsinore.config.schedule import max_steps_of, refuse_endless_survival, schedule_for
from elsinore.errors import ConfigError
from elsinore.nets.config import NetworkConfig
from elsinore.training.evaluation import EvaluationConfig
from tests.small_envs import World


def planned(algo=None, **overrides):
    return plan_for(load_experiment("CartPole-v1", algo, overrides=overrides))


@pytest.fixture(scope="module")
def plan():
    return planned(env_steps=100_000, seeds=3)


# Steps and chunks


@given(
    env_steps=st.integers(1, 10**9),
    num_envs=st.integers(1, 64),
    rollout_length=st.integers(1, 64),
    period=st.integers(0, 300),
    rows=st.integers(1, 20),
)
def test_steps_are_whole_updates_and_chunks_and_rows_add_up_to_them(
    env_steps, num_envs, rollout_length, period, rows
):
    steps = num_envs * rollout_length
    experiment = Experiment(
        env_steps=env_steps + steps,
        rows_per_chunk=rows,
        algo=PPOConfig(num_envs=num_envs, rollout_length=rollout_length, num_minibatches=1),
        evaluation=EvaluationConfig(period=period),
    )
    schedule = schedule_for(experiment)
    assert 0 <= experiment.env_steps - schedule.num_updates * steps < steps

    first_chunks = range(min(schedule.num_chunks, 30))
    sizes = [schedule.updates_in(chunk) for chunk in (*first_chunks, schedule.num_chunks - 1)]
    assert all(size == schedule.updates_per_chunk for size in sizes[:-2])
    whole = (schedule.num_chunks - 1) * schedule.updates_per_chunk
    assert whole + schedule.updates_in(schedule.num_chunks - 1) == schedule.num_updates
    assert 1 <= schedule.updates_in(schedule.num_chunks - 1) <= schedule.updates_per_chunk

    ends = [end for chunk in first_chunks for end in schedule.row_ends(chunk)]
    assert ends == sorted(set(ends))
    assert ends[-1] == sum(sizes[:-1])
    assert all(len(schedule.row_ends(chunk)) <= rows for chunk in first_chunks)


def test_env_steps_are_rounded_down_to_whole_updates(plan):
    assert plan.steps_per_update == 8 * 32
    assert plan.schedule.num_updates == 390
    assert plan.env_steps == 390 * 256 == 99_840


def test_a_run_is_evaluated_about_twenty_times_unless_it_says_otherwise(plan):
    assert plan.schedule.num_chunks == 21
    assert (
        schedule_for(
            load_experiment("CartPole-v1", overrides={"evaluation.period": 100})
        ).num_chunks
        == 4
    )


def test_a_period_longer_than_the_run_makes_one_chunk():
    schedule = schedule_for(load_experiment("CartPole-v1", overrides={"evaluation.period": 10**6}))
    assert (schedule.num_chunks, schedule.updates_in(0)) == (1, schedule.num_updates)


@pytest.mark.parametrize(("limit", "warns"), [(2**24, False), (2**24 + 1, True)])
def test_an_episode_of_more_steps_than_float32_counts_is_warned_of(limit, warns):
    plan = planned(**{"env_params.max_steps_in_episode": limit})
    lines = [line for line in plan_facts(plan) if "may have 16,777,217 steps" in line]
    assert len(lines) == warns
    bounded = planned(**{"env_params.max_steps_in_episode": limit, "evaluation.max_steps": 500})
    assert not [line for line in plan_facts(bounded) if "float32 counts" in line]


def test_one_update_is_enough():
    assert planned(env_steps=256).schedule.num_chunks == 1


def test_fewer_steps_than_one_update_are_refused():
    with pytest.raises(ConfigError) as caught:
        planned(env_steps=255)
    assert (
        str(caught.value) == "env_steps=255 is less than one update of 256 steps (algo.num_envs=8 x"
        " algo.rollout_length=32); raise it."
    )


def test_more_updates_than_can_be_counted_are_refused():
    with pytest.raises(ConfigError, match=r"env_steps=\d+ is \d+ updates; at most 2\^31 - 1"):
        planned(env_steps=2**31 * 256)


# Parameters


def dense(inputs, outputs):
    return inputs * outputs + outputs


def test_parameters_are_those_of_two_trunks_and_two_heads(plan):
    trunk = dense(4, 64) + dense(64, 64)
    assert plan.num_parameters == 2 * trunk + dense(64, 2) + dense(64, 1) == 9_155


def test_a_shared_trunk_is_counted_once():
    shared = planned(**{"algo.network.shared": True})
    assert shared.num_parameters == dense(4, 64) + dense(64, 64) + dense(64, 2) + dense(64, 1)


# Bytes


def test_a_run_that_does_not_fit_is_refused_with_what_to_lower(plan, monkeypatch):
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: plan.memory.on_device - 1)
    with pytest.raises(ConfigError) as caught:
        plan.memory.refuse_what_does_not_fit()
    message = str(caught.value)
    assert "available" in message
    for remedy in ("algo.num_envs=8", "algo.rollout_length=32", "seeds=3"):
        assert remedy in message


def test_a_run_that_just_fits_is_not_refused(plan, monkeypatch):
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: plan.memory.on_device)
    plan.memory.refuse_what_does_not_fit()


def test_more_of_anything_needs_more_bytes(plan):
    for more in (
        {"seeds": 4},
        {"algo.num_envs": 16},
        {"algo.rollout_length": 64},
        {"algo.network.hidden": [128, 128]},
    ):
        assert (
            planned(**({"env_steps": 100_000, "seeds": 3} | more)).memory.on_device
            > plan.memory.on_device
        )


def test_accelerators_have_a_memory_each_and_cpu_devices_share_one(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    two, four = (planned(seeds=n, layout="vmap") for n in (2, 4))
    shared = four.memory.on_device
    devices = jax.devices() * 4
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "devices", lambda *_: devices[:2])
    on_two = four.memory.on_device  # two seeds on each of two devices
    assert on_two == shared / 2
    monkeypatch.setattr(jax, "devices", lambda *_: devices[:4])
    assert four.memory.on_device < on_two and two.memory.on_device == four.memory.on_device
    assert "device          gpu, 4 devices" in plan_facts(four)
    idle = "device          gpu, 2 of 4 devices: one for each seed, the others are idle"
    assert idle in plan_facts(two)


def test_a_replay_buffer_has_a_line_and_is_the_first_to_lower(monkeypatch):
    dqn = planned(
        "dqn", **{"algo.buffer_size": 2**20, "algo.num_envs": 1, "algo.prioritized": False}
    )
    # two observations of four floats, action, reward, two flags
    transition = 2 * 4 * 4 + 4 + 4 + 1 + 1
    # where to write next, and how much is filled
    assert dqn.memory.of_replay == 2**20 * transition + 2 * 4
    assert f"replay          {transition} MiB a seed" in plan_facts(dqn)
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: dqn.memory.on_device - 1)
    with pytest.raises(ConfigError, match=r"lower algo\.buffer_size=1048576, algo\.num_envs=1, "):
        dqn.memory.refuse_what_does_not_fit()


@pytest.mark.parametrize("name", ["episodes", "final_episodes"])
def test_an_evaluation_of_more_envs_than_fit_is_refused_by_its_own_setting(name):
    """Every episode has an env; this was known once the program was compiled."""
    plan = planned(**{f"evaluation.{name}": 2**31 - 1})
    with pytest.raises(ConfigError, match=rf"lower evaluation.{name}=2147483647 or seeds=1\."):
        plan.memory.refuse_what_does_not_fit()


def test_an_algorithm_without_a_replay_buffer_has_no_line_of_one(plan):
    assert plan.memory.of_replay == 0
    assert not [line for line in plan_facts(plan) if "replay" in line]


@pytest.mark.parametrize(
    ("algo", "env"), [("dqn", "CartPole-v1"), ("sac", "Pendulum-v1"), ("td3", "Pendulum-v1")]
)
def test_a_run_that_is_over_before_it_would_learn_is_refused(algo, env):
    message = (
        r"algo\.learning_starts=500 is not below the 500 env steps .*lower it, or raise"
        r" env_steps=505"
    )
    settings = {"algo.learning_starts": 500, "algo.num_envs": 10, "algo.rollout_length": 1}

    def over(env_steps):
        return plan_for(load_experiment(env, algo, overrides=settings | {"env_steps": env_steps}))

    with pytest.raises(ConfigError, match=message):
        over(505)
    assert over(510).env_steps == 510


SHORT = {"algo.num_envs": 10, "algo.rollout_length": 1, "algo.learning_starts": 0}
SEQUENCE = {"algo.network.gru": 4, "algo.sequence_length": 4, "algo.burn_in": 2, "algo.n_step": 2}


@pytest.mark.parametrize(
    ("algo", "env", "settings", "message", "enough"),
    [
        ("dqn", "CartPole-v1", {"algo.n_step": 6}, r"algo\.n_step=6 needs 6 .* takes 5", 60),
        ("sac", "Pendulum-v1", {"algo.n_step": 6}, r"algo\.n_step=6 needs 6 .* takes 5", 60),
        ("dqn", "CartPole-v1", SEQUENCE, r"algo\.n_step=2 needs 7 .*burn_in.* takes 5", 70),
        ("td3", "Pendulum-v1", {"algo.policy_delay": 6}, r"algo\.policy_delay=6 is more", 60),
    ],
)
def test_a_run_too_short_for_a_target_or_an_actors_step_is_refused(
    algo, env, settings, message, enough
):
    def planned(env_steps):
        overrides = SHORT | {"algo.gradient_steps": 1, "env_steps": env_steps} | settings
        return plan_for(load_experiment(env, algo, overrides=overrides))

    with pytest.raises(ConfigError, match=message):
        planned(50)
    assert planned(enough).env_steps == enough


@pytest.mark.parametrize(
    ("stop", "remedy"),
    [
        ({"stop.episodes": 1}, r"raise stop\.episodes=1\."),
        ({"stop.updates": 500}, r"raise env_steps=5000\."),
        ({"stop.seconds": 5}, r"give more than \d+ env steps by env_steps, in place of stop\.s"),
    ],
)
def test_a_run_too_short_is_lengthened_in_the_unit_of_its_budget(stop, remedy):
    starts = {"algo.learning_starts": 10**6, "algo.buffer_size": 10**6}
    with pytest.raises(ConfigError, match=f"lower it, or {remedy}"):
        plan_for(load_experiment("CartPole-v1", "dqn", overrides=SHORT | starts | stop))


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        ({"stop.seconds": 5}, r"; give more than 100000 env steps by env_steps, in place of stop"),
        ({"stop.episodes": 10**12}, r"stop\.episodes=\d+ may take \d+ updates; at most 2\^31 - 1"),
    ],
)
def test_a_number_of_updates_that_cannot_be_is_refused_by_the_runs_budget(stop, said):
    long = {"algo.rollout_length": 10**6} if "stop.seconds" in stop else {}
    with pytest.raises(ConfigError, match=said):
        planned(**long, **stop)


@pytest.mark.parametrize("learning_starts", [0, 1, 9, 10, 11, 991, 999, 1000])
def test_learning_starts_after_more_env_steps_than_asked_for(learning_starts):
    config = DQNConfig(num_envs=5, rollout_length=2, learning_starts=learning_starts)
    first = first_training(config)
    assert 10 * first <= learning_starts < 10 * (first + 1)


def test_a_bonus_annealed_by_a_share_of_episodes_without_a_limit_is_refused():
    def planned_with(share, **params):
        overrides = {"algo.rnd.weight": 0.1, "algo.rnd.anneal": 0.9} | share
        experiment = load_experiment("CartPole-v1", "ppo", overrides=overrides)
        refuse_endless_survival(experiment, SimpleNamespace(**params))

    with pytest.raises(ConfigError, match=r"anneal_share=0.4 .* time limit, .* set algo.rnd.ann"):
        planned_with({})
    with pytest.raises(ConfigError, match=r"anneal_share=0.4 .* time limit"):
        planned_with({"algo.rnd.weight": 0.0, "vary": {"algo.rnd.weight": [0.1, 0.5]}})
    planned_with({"algo.rnd.anneal_share": 0.0})
    planned_with({}, max_steps_in_episode=500)


def test_a_shared_learner_counts_the_steps_of_all_agents():
    settings = {
        "agents.number": 4,
        "agents.sharing": "shared",
        "algo.num_envs": 10,
        "algo.rollout_length": 1,
        "algo.learning_starts": 1000,
    }

    def planned_for(env_steps):
        more = settings | {"env_steps": env_steps}
        return plan_for(load_experiment("Hamlet-mood6", "dqn", overrides=more))

    assert planned_for(4000).env_steps == 4000
    with pytest.raises(ConfigError, match="learning_starts=1000 is not below the 1000 env steps"):
        planned_for(1000)
    settings |= {"agents.sharing": "independent", "agents.number": 2}
    with pytest.raises(ConfigError, match=r"1000 env steps of each agent in this run: .*=2000"):
        planned_for(2000)


def test_a_drawn_time_limit_counts_as_its_longest():
    drawn = {"wrappers": [{"randomise": {"max_steps_in_episode": [800, 1000]}}]}
    plan = plan_for(load_experiment("CartPole-v1", "ppo", overrides=drawn | {"env_steps": 10_000}))
    assert max_steps_of(plan.experiment, plan.env_params) == 1000
    episodes = drawn | {"stop.episodes": 40, "algo.num_envs": 8}
    plan = plan_for(load_experiment("CartPole-v1", "ppo", overrides=episodes))
    assert plan.env_steps >= 40 * 1000


@pytest.mark.parametrize("evaluate_on", ["target", "stage"])
@pytest.mark.parametrize(
    ("name", "limit", "own"),
    [
        ("max_steps_in_episode", 2000, {}),
        (
            "max_steps_in_episode_range",
            [800, 2000],
            {"wrappers": [{"randomise": {"max_steps_in_episode": [800, 1000]}}]},
        ),
    ],
)
def test_episodes_are_as_long_as_the_longest_stage_allows(evaluate_on, name, limit, own):
    rule = {"metric": "length", "above": 1900}
    stages = [{"params": {name: limit}, "advance_when": rule}, {}]
    curriculum = {"curriculum": {"stages": stages, "evaluate_on": evaluate_on}}
    settings = own | curriculum | {"stop.episodes": 40, "algo.num_envs": 8}
    plan = plan_for(load_experiment("CartPole-v1", "ppo", overrides=settings))
    assert plan.env_steps >= 40 * 2000
    target = 1000 if own else 500
    longest = 2000 if evaluate_on == "stage" else target
    assert max_steps_of(plan.experiment, plan.env_params) == longest


@pytest.mark.parametrize("name", ["algo.epsilon_final", "epsilon_final"])
def test_members_that_explore_differently_are_not_evaluated_by_samples(name):
    varied = {"vary": {name: [0.0, 1.0]}, "env_steps": 20_000}
    assert load_experiment("CartPole-v1", "dqn", overrides=varied)
    with pytest.raises(ConfigError, match="evaluation.greedy=False .*epsilon_final"):
        load_experiment("CartPole-v1", "dqn", overrides=varied | {"evaluation.greedy": False})


def test_agents_that_explore_differently_are_programs_of_their_own():
    one, other = DQNConfig(epsilon_final=0.1), DQNConfig(epsilon_final=0.2)
    assert program_of(one) != program_of(other)
    assert program_of(one) == program_of(DQNConfig(epsilon_final=0.1, learning_rate=0.1))


def test_a_run_that_no_machine_holds_is_refused_without_being_built():
    with pytest.raises(ConfigError, match="needs about .*TiB"):
        planned(
            env_steps=10**12, **{"algo.num_envs": 10**8, "algo.rollout_length": 1000}
        ).memory.refuse_what_does_not_fit()


def test_the_machine_has_some_memory():
    assert planned_memory.available_bytes() > 2**20


# What an environment must have


def test_an_env_without_a_limit_needs_one_for_its_evaluations():
    world = Experiment(env="tests.envs.broken_envs:Endless", algo=PPOConfig())
    with pytest.raises(ConfigError) as caught:
        plan_for(world)
    assert (
        str(caught.value)
        == f"evaluation.max_steps=0 means the environment's own limit, and {world.env} has none;"
        " set it."
    )
    limited = Experiment(env=world.env, evaluation=EvaluationConfig(max_steps=50))
    assert max_steps_of(limited, plan_for(limited).env_params) == 50


def test_the_limit_of_an_env_can_be_changed():
    assert planned(**{"env_params.max_steps_in_episode": 50}).env_params.max_steps_in_episode == 50


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"env_params.max_step": 3}, "env_params.max_step is no parameter of CartPole"),
        ({"env_kwargs.rows": 3}, "env_kwargs={'rows': 3} do not fit"),
        ({"env_params.max_steps_in_episode": "many"}, "env_params.max_steps_in_episode='many' "),
        (
            {"algo.network.custom": "no_such_module:net"},
            "algo.network.custom='no_such_module:net' cannot be imported",
        ),
        (
            {"algo.network.encoder": "cnn"},
            "algo.network.encoder='cnn' needs observations of shape [height, width, channel]",
        ),
    ],
)
def test_what_does_not_fit_the_env_is_refused(overrides, message):
    with pytest.raises(ConfigError) as caught:
        planned(**overrides)
    assert message in str(caught.value)


def test_an_env_that_is_an_object_is_planned_like_its_name(cartpole):
    env, _ = cartpole
    experiment = load_experiment("CartPole-v1")
    assert plan_for(experiment, env).num_parameters == plan_for(experiment).num_parameters


# What people read


def test_a_plan_fits_in_a_terminal_of_80_columns(plan):
    assert max(map(len, plan_lines(plan))) < 80
    assert "seeds           1 (4)" in plan_lines(planned(seed=4))


def test_long_facts_of_a_plan_go_on_below_and_rows_end_between_words():
    rule = {"metric": "length", "above": 40.0}
    leave = {"any": [rule, {"metric": "return", "above": 45.0}], "min_steps": 900}
    stages = [{"advance_when": leave, "params": {"max_steps_in_episode": 50}}, {}]
    settings = BFLOAT16 | {"curriculum.stages": stages}
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    rows, whole = plan_lines(plan), " ".join(facts_of(plan))
    assert max(map(len, rows)) < 80
    assert (
        "  stage 0: max_steps_in_episode=50; on when mean length > 40 or mean"
        " return > 45 over 100 episodes, after 900 env steps" in whole
    )


def test_a_plan_reads_as_one_fact_a_line(plan):
    facts = {line[:15].strip(): line[16:] for line in plan_lines(plan)}
    assert facts["environment"] == "CartPole-v1"
    assert facts["algorithm"] == "ppo"
    assert facts["seeds"] == "3 (0 to 2)"
    assert facts["env steps"] == "99,840 a seed, 299,520 in all"
    assert facts["updates"] == "390 a seed, of 256 env steps"
    assert facts["chunks"].startswith("21, each of at most 19 updates")
    assert facts["parameters"] == "9,155 a seed"
    assert facts["bytes on device"].startswith(f"{plan.memory.on_device:,} (about ")


class Own(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs)(obs), nn.Dense(1)(obs)[0]


def test_a_network_that_is_an_object_is_named_among_the_settings():
    plan = plan_for(load_experiment("CartPole-v1"), network=Own)
    assert f"network.custom={__name__}:Own" in " ".join(plan_facts(plan))


def test_a_network_is_planned_as_wide_as_it_says():
    narrow = Experiment(algo=PPOConfig(network=NetworkConfig(hidden=(16,))))
    assert plan_for(narrow).num_parameters == 2 * dense(4, 16) + dense(16, 2) + dense(16, 1)


def test_a_policy_is_shown_in_the_env_it_is_evaluated_in():
    target = plan_for(load_experiment("Hamlet-classic4"))
    assert (
        target.shown_in("the stage's") is target.env_params
        and target.env_params.random_start_share == 0.0
    )
    stage = plan_for(
        load_experiment("Hamlet-classic4", overrides={"curriculum.evaluate_on": "stage"})
    )
    assert stage.shown_in("the stage's") == "the stage's"


def test_the_plan_of_a_population_says_which_settings_differ():
    values = {"algo.learning_rate": [1e-3, 1e-4], "algo.gamma": [0.9, 0.99]}
    text = "\n".join(facts_of(plan_for(load_experiment("CartPole-v1", overrides={"vary": values}))))
    assert "2, each with every seed; they differ in algo.learning_rate, algo.gamma" in text
    assert "learning_rate=varies" in text and "gamma=varies" in text and "gae_lambda=0.8" in text


# What bfloat16 rounds


class Far(World):
    """A world whose observations are a clock of up to 4,000 steps, and a share."""

    def observation_space(self, params):
        return spaces.Box(jnp.array([0.0, 0.0]), jnp.array([4_000.0, 1.0]), (2,))

    def reset_env(self, key, params):
        return jnp.zeros(2), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        state = EnvState(time=state.time + 1)
        return jnp.zeros(2), state, jnp.float32(0.0), jnp.bool_(False), {}


def facts_of(plan) -> list[str]:
    """The facts of a plan, each on one line."""
    return re.sub(r"\n +(?!stage)", " ", "\n".join(plan_lines(plan))).split("\n")


BFLOAT16 = {"algo.network.dtype": "bfloat16", "algo.num_minibatches": 1}


def rounding(env, **overrides):
    """The warnings of a plan about rounded observations."""
    experiment = load_experiment("CartPole-v1", overrides=BFLOAT16 | overrides)
    return [fact for fact in facts_of(plan_for(experiment, env)) if "bfloat16 rounds" in fact]


def test_a_plan_warns_where_bfloat16_rounds_a_wide_observation_and_says_how_far():
    (line,) = rounding(Far())
    # 4,000 has neighbours 16 apart: 8 significant bits of a number from 2,048 to 4,096
    assert "at their bound of 4000 to multiples of 16" in line and "normalize_obs" in line
    step = jnp.bfloat16(4_000) - jnp.bfloat16(4_000 - 16)
    assert step == 16 and jnp.bfloat16(4_000 - 7) == jnp.bfloat16(4_000)


@pytest.mark.parametrize(
    "setting", [{"algo.normalize_obs": True}, {"algo.network.dtype": "float32"}]
)
def test_normalised_observations_and_float32_are_not_warned_of(setting):
    assert not rounding(Far(), **setting)


def test_bounds_that_are_narrow_or_missing_are_not_warned_of():
    assert not rounding(None)  # CartPole's: 4.8, and none for its speeds


@pytest.mark.parametrize(
    ("algo", "settings", "off"),
    [
        ("ppo", {"normalize_advantage": "minibatch", "num_envs": 1, "num_minibatches": 1}, "none"),
        ("ppo", {"normalize_advantage": "minibatch", "num_envs": 8, "num_minibatches": 8}, "none"),
        ("ppo", {"normalize_advantage": "batch", "num_envs": 1, "num_minibatches": 1}, "none"),
        ("a2c", {"normalize_advantage": True, "num_envs": 1}, False),
    ],
)
def test_one_transition_cannot_be_standardised(algo, settings, off):
    """Its advantage would always be 0. The shards of a seed and agents that share a learner are
    standardised together."""
    small = {f"algo.{name}": value for name, value in settings.items()}
    small |= {"algo.rollout_length": 1, "env_steps": 64}

    def plan(**more):
        return plan_for(load_experiment("CartPole-v1", algo, overrides=small | more))

    with pytest.raises(ConfigError, match=rf"normalize_advantage=.*to {str(off).lower()}"):
        plan()
    plan(**{"algo.normalize_advantage": off})
    plan(**{"algo.rollout_length": 2})
    plan(**{"agents.number": 2, "agents.sharing": "shared"})
    if settings["num_envs"] == 1:
        plan(**{"algo.num_envs": 4, "shards": 4})


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"algo.network.encoder": "cnn"}, True),
        ({"algo.network.encoder": "nature"}, False),
        ({"algo.normalize_obs": True}, False),
    ],
)
def test_large_images_are_named_with_the_encoder_that_scales_them(settings, warned):
    experiment = load_experiment("tests.small_envs:Camera", "ppo", overrides=settings)
    lines = [x for x in facts_of(plan_for(experiment)) if "algo.network.encoder: nature" in x]
    assert len(lines) == warned
    assert not warned or "images of [36, 40, 2]" in lines[0]
