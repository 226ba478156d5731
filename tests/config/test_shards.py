"""A shard is an ordinary experiment with a part of the envs; what has no shards is refused."""

import re

import jax
import jax.numpy as jnp
import pytest

from elsinore.algos.replay import first_training
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.config.shards import refuse_env, refuse_what_shards_do_not_have, shard_of
from elsinore.errors import ConfigError


def experiment(algo="ppo", env="CartPole-v1", **overrides):
    return load_experiment(env, algo, overrides={"algo.num_envs": 4} | overrides)


def test_a_group_of_observations_of_the_bonus_is_divided_where_there_is_one():
    settings = {"algo.rnd.weight": 0.5, "algo.rnd.batch_size": 12}
    assert shard_of(experiment(shards=4, **settings)).algo.rnd.batch_size == 3
    message = "shards=4 does not divide algo.rnd.batch_size=10; choose a multiple of 4"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        shard_of(experiment(shards=4, **settings | {"algo.rnd.batch_size": 10}))
    off = {"algo.rnd.weight": 0.0, "algo.rnd.batch_size": 10}
    assert shard_of(experiment(shards=4, **off)).algo.rnd.batch_size == 10


@pytest.mark.parametrize(
    "name", ["algo.target_kl", pytest.param("algo.rnd.weight", marks=pytest.mark.slow)]
)
def test_a_number_that_varies_is_compiled_though_it_is_off_in_the_config(name):
    settings = {"algo.num_minibatches": 1, "vary": {name: [0.01, 0.02]}}

    def metrics(shards):
        plan = plan_for(experiment(shards=shards, **settings))
        state, update = plan.state_shapes, jnp.int32(0)
        return jax.eval_shape(plan.program.chunk, state, update)[1].metrics.names

    assert metrics(2) == metrics(1)


def test_the_envs_of_a_seed_are_divided_among_its_shards():
    shard = shard_of(experiment(shards=2, **{"algo.num_envs": 8}))
    assert (shard.shards, shard.algo.num_envs) == (1, 4)


def test_each_shard_imitates_in_its_part_of_the_envs_and_in_all_updates():
    settings = {"imitation.teacher": "a:b", "imitation.env_steps": 1000}
    settings |= {"imitation.num_envs": 8, "imitation.rollout_length": 10}
    whole = experiment(shards=4, **settings)
    part = shard_of(whole).imitation
    assert (part.num_envs, part.num_updates) == (2, whole.imitation.num_updates) == (2, 12)
    message = "shards=4 does not divide imitation.num_envs=6; choose a multiple of 4"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}, or other shards.$"):
        shard_of(experiment(shards=4, **settings | {"imitation.num_envs": 6}))


def test_a_replay_buffer_and_its_batches_are_divided_too():
    replay = {"buffer_size": 1000, "batch_size": 32, "learning_starts": 101, "target_period": 50}
    settings = {f"algo.{name}": value for name, value in replay.items()}
    whole = experiment("dqn", shards=2, **settings).algo
    part = shard_of(experiment("dqn", shards=2, **settings)).algo
    assert (part.num_envs, part.buffer_size, part.batch_size) == (2, 500, 16)
    assert first_training(part) == first_training(whole) == 12
    periods = {round(x.target_period / x.steps_per_update) for x in (whole, part)}
    assert periods == {6}  # updates between updates of the target network


@pytest.mark.parametrize("learning_starts", [0, 1, 7, 8, 9, 1000])
@pytest.mark.parametrize("target_period", [1, 3, 20, 500])
def test_shards_learn_in_the_updates_in_which_the_whole_seed_would(learning_starts, target_period):
    settings = {
        "algo.num_envs": 8,
        "algo.learning_starts": learning_starts,
        "algo.target_period": target_period,
    }
    whole = experiment("dqn", shards=4, **settings)
    part = shard_of(whole).algo
    assert first_training(part) == first_training(whole.algo)
    whole_period, period = (x.target_period / x.steps_per_update for x in (whole.algo, part))
    assert max(1, round(period)) == max(1, round(whole_period))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shards": 3}, "shards=3 does not divide algo.num_envs=4; choose a multiple of 3"),
        (
            {
                "shards": 4,
                "algo.num_envs": 8,
                "algo.rollout_length": 1,
                "algo.num_minibatches": 4,
            },
            "gives each shard 2 of algo.num_envs=8, and then num_minibatches=4",
        ),
        (
            {"shards": 2, "algo.num_minibatches": 4, "algo.network.gru": 8},
            "gives each shard 2 of algo.num_envs=4, and then num_minibatches=4",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused_with_its_name(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        shard_of(experiment(**settings))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size", 30, "shards=4 does not divide algo.batch_size=30; choose a multiple of 4"),
        ("buffer_size", 1002, "shards=4 does not divide algo.buffer_size=1002; choose a mul"),
    ],
)
def test_a_replay_buffer_that_cannot_be_divided_is_refused(name, value, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        shard_of(experiment("dqn", shards=4, **{f"algo.{name}": value}))


@pytest.mark.parametrize(
    ("algo", "settings", "name"),
    [
        ("sac_discrete", {}, "algo='sac_discrete'"),
        ("sac", {"env": "Pendulum-v1"}, "algo='sac'"),
        ("td3", {"env": "Pendulum-v1"}, "algo='td3'"),
        ("ppo", {"algo.network.custom": "a:b"}, "algo.network.custom='a:b'"),
        (
            "ppo",
            {"algo.network.encoder": "a:b"},
            "algo.network.encoder='a:b'; choose auto, mlp, cnn or nature",
        ),
        ("ppo", {"algo.network.dtype": "bfloat16"}, "algo.network.dtype='bfloat16'"),
        ("ppo", {"algo.popart": True}, "algo.popart=true"),
        ("ppo", {"algo.advantage": "vtrace"}, "algo.advantage='vtrace'; choose gae"),
        ("ppo", {"agents.number": 2}, "agents.number=2"),
        ("ppo", {"layout": "vmap"}, "layout='vmap'; set layout=auto, which is map"),
    ],
)
def test_what_has_no_shards_is_refused_with_its_name_and_a_remedy(algo, settings, name):
    with pytest.raises(ConfigError, match=re.escape(f"shards=2 cannot be used with {name}")) as e:
        refuse_what_shards_do_not_have(experiment(algo, shards=2, **settings))
    assert "use shards=1" in str(e.value)


def test_an_algorithm_of_ones_own_and_a_network_of_ones_own_are_refused():
    own = load_experiment(
        "CartPole-v1", config={"algo": "tests.algos.own_algorithms:sound", "shards": 2}
    )
    with pytest.raises(ConfigError, match="an algorithm of your own was not shown"):
        refuse_what_shards_do_not_have(own)
    with pytest.raises(ConfigError, match="a network of your own; leave it out"):
        refuse_what_shards_do_not_have(experiment(shards=2), object())


def test_an_environment_on_the_host_is_refused():
    with pytest.raises(ConfigError, match="which is stepped on the host; use shards=1, or an env"):
        refuse_env(experiment(shards=2), on_host=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "settings"),
    [
        ("tests.small_envs:MaskedBandit", {}),
        ("Breakout-MinAtar", {"algo.network.encoder": "mlp"}),
        ("Breakout-MinAtar", {"algo.network.encoder": "cnn"}),
    ],
)
def test_masked_and_image_observations_are_divided(env, settings):
    plan = plan_for(experiment(env=env, shards=2, **settings))
    assert {*jax.tree.leaves(plan.program.divided.train.actor.obs)} == {0}


def test_on_an_accelerator_seeds_of_several_shards_are_mapped(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    kinds = [plan_for(experiment(shards=shards)).layout.kind for shards in (1, 2)]
    assert kinds == ["vmap", "map"]
    assert plan_for(experiment(shards=2, layout="map")).layout.kind == "map"
    with pytest.raises(ConfigError, match="layout='vmap'"):
        plan_for(experiment(shards=2, layout="vmap"))


def test_no_shards_at_all_are_refused():
    with pytest.raises(ConfigError, match=r"shards=0 must be at least 1"):
        experiment(shards=0)


@pytest.mark.parametrize(
    ("seeds", "shards", "there", "devices", "where"),
    [
        (1, 4, 1, "1 device", "4 a seed, of 1 env: 4 on 1 device, in turn"),
        (1, 4, 2, "2 devices", "4 a seed, of 1 env: 2 on each of 2 devices, in turn"),
        (1, 2, 2, "2 devices", "2 a seed, of 2 envs: 1 on each of 2 devices"),
        (2, 2, 2, "2 devices", "2 a seed, of 2 envs: 2 on 1 device, in turn"),
        (
            1,
            2,
            4,
            "2 of 4 devices: 2 for each seed, the others are idle",
            "2 a seed, of 2 envs: 1 on each of 2 devices",
        ),
    ],
)
def test_the_plan_says_where_shards_are_and_which_devices_are_idle(
    monkeypatch, seeds, shards, there, devices, where
):
    found = (jax.devices() * 2)[:there]
    monkeypatch.setattr(jax, "devices", lambda *_: found)
    lines = plan_facts(plan_for(experiment(shards=shards, seeds=seeds)))
    assert f"device          {jax.default_backend()}, {devices}" in lines
    assert f"shards          {where}" in lines


def test_a_seed_of_one_shard_has_no_line_of_shards():
    assert not [line for line in plan_facts(plan_for(experiment())) if "shards" in line]
