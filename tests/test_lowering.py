"""Every program lowers for CUDA and TPU, as a GPU or TPU would get it: seeds under `vmap`.

Neither device is needed. What XLA makes of the program there is not tested here.
"""

import re
from itertools import product
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from jax import export

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.envs.registry import GYMNAX, families
from elsinore.errors import ConfigError
from elsinore.runs.programs import Meanwhile, jit_population_step
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_program, over_seeds, seed_keys, stacked
from tests.runs.learners import LEARNERS

PLATFORMS = ("cuda", "tpu")
# Calls that leave the device; `jax.export` itself refuses calls to Python.
ON_THE_HOST = re.compile(r"custom_call @\w*(?:callback|lapack|SendToHost|RecvFromHost)", re.I)
SMALL = {"env_steps": 20_000, "seeds": 2, "imitation": None, "curriculum": None}
NETWORKS = {
    "default": {},
    "mlp": {"algo.network.encoder": "mlp"},
    "cnn": {"algo.network.encoder": "cnn"},
    "nature": {"algo.network.encoder": "nature"},
    "gru": {"algo.network.gru": 16, "algo.network.custom": None},
    "layer norm": {"algo.network.layer_norm": True},
    "shared": {"algo.network.shared": True},
    "cards": {"algo.network.encoder": "elsinore.worlds.balatro.nets:CARDS"},
    "places": {
        "env_kwargs.observation": "places",
        "algo.network.custom": "elsinore.worlds.hamlet.nets:PlacesActorCritic",
    },
    "mapping": {
        "env_kwargs.observation": "places",
        "algo.network.custom": "elsinore.worlds.hamlet.nets:MappingActorCritic",
    },
}
ALGORITHMS = ("ppo", "a2c", "dqn", "pqn", "sac", "sac_discrete", "td3")
OPTIONS = {
    "spo": ("ppo", {"algo.surrogate": "spo"}),
    "rnd": ("ppo", {"algo.rnd.weight": 0.01}),
    "rainbow": ("rainbow", {}),
    "qrdqn": ("qrdqn", {}),
    "iqn": ("iqn", {}),
    "sample_efficient": ("sample_efficient", {}),
    "munchausen": ("dqn", {"algo.munchausen": True, "algo.n_step": 1}),
    "ddpg": ("td3", {"algo.num_critics": 1, "algo.policy_delay": 1, "algo.target_noise": 0.0}),
}
TEAM = {"agents.number": 3, "agents.sharing": "shared"}
ITSELF = {"self_play": {"pool": 4, "period": 3, "latest": 0.3}}
EPISODES = {"rows": "episode", "convergence.counts": "episodes", "convergence.target": 100.0}
LADDER = {
    "curriculum": {
        "ladder": {
            "param": "max_steps_in_episode", "initial": 100, "increment": 100, "maximum": 500,
        },
        "advance_when": {"metric": "length", "window": 8, "at_least": 90.0},
    }
}  # fmt: skip
PBT = {
    "vary": {"algo.learning_rate": [1e-4, 1e-3, 1e-2, 3e-2]},
    "population.pbt": {"space": {"algo.learning_rate": {"log": [1e-4, 1e-1]}}},
    "evaluation.episodes": 4,
}
HALVED = {
    "vary": {"algo.learning_rate": [1e-4, 1e-3, 1e-2, 3e-2]},
    "population.halving": {"eta": 2, "rungs": 1},
}
TRAININGS = {
    "mappo": ("CartPole-v1", "ppo", TEAM | {"agents.critic": "joint", "agents.ids": True}),
    "mappo with a memory": (
        "CartPole-v1",
        "ppo",
        TEAM | {"agents.critic": "joint", "algo.network.gru": 8},
    ),
    "vdn by dqn": ("CartPole-v1", "dqn", TEAM | {"agents.mixing": "sum"}),
    "vdn by pqn": ("CartPole-v1", "pqn", TEAM | {"agents.mixing": "sum"}),
    "independent agents": ("CartPole-v1", "ppo", {"agents.number": 3}),
    "agents that differ": (
        LEARNERS["agents that differ"].env,
        "ppo",
        LEARNERS["agents that differ"].overrides | {"env_steps": 20_000 * 3},
    ),
    "ppo against itself": ("Nim", "ppo", ITSELF),
    "dqn against itself": ("Nim", "dqn", ITSELF),
    "a population": ("CartPole-v1", "ppo", PBT),
    "a population that is halved": ("CartPole-v1", "ppo", HALVED),
    "a curriculum": ("CartPole-v1", "ppo", LADDER),
    "episodes that count": ("CartPole-v1", "ppo", EPISODES),
    "bfloat16": ("CartPole-v1", "ppo", {"algo.network.dtype": "bfloat16"}),
    "popart": ("CartPole-v1", "ppo", {"algo.popart": True, "algo.advantage": "vtrace"}),
}
SHARDED = {
    "ppo": {"algo.num_envs": 8, "algo.normalize_obs": True, "algo.normalize_rewards": True},
    "a2c": {"algo.num_envs": 8, "algo.network.gru": 8},
    "pqn": {"algo.num_envs": 8},
    "dqn": {"algo.num_envs": 8, "algo.prioritized": True, "algo.n_step": 3},
}
# Hamlet-custom needs a file of its own level; MNISTBandit a download.
NEED_FILES = ("Hamlet-custom", "MNISTBandit-bsuite")
ENVS = tuple(
    name
    for name in (*GYMNAX, *(name for family in families().values() for name in family.names))
    if name not in NEED_FILES
)


@pytest.fixture(autouse=True)
def on_an_accelerator(monkeypatch):
    """The choices that depend on the platform are those of a GPU."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def lowered(env: str, algo: str, settings: dict, devices: int = 1) -> dict[str, str]:
    """What the programs of a run, by default of two seeds on one device, are for both platforms.

    Raises:
        ConfigError: for settings that cannot be run.
    """
    plan = plan_for(load_experiment(env, algo, None, SMALL | settings))
    run, program = plan.experiment, plan.program
    replicas, there = run.replicas, jax.devices()[:devices]
    layout = layout_for(replicas, run.layout, plan.single_launch, run.shards, there).for_program(
        program
    )
    assert layout.batch == (replicas if run.shards == 1 else 1)
    assert len(layout.devices) == devices
    states, one = stacked(plan.state_shapes, replicas), jnp.int32(1)
    programs = {
        "chunk": (over_seeds(program.chunk, layout, donate=True), (states, one)),
        "init": (init_program(program, layout), (seed_keys(0, replicas), plan.hyper)),
    }
    if plan.population_step is not None:
        step = jit_population_step(plan.population_step, layout, states, donate=True)
        programs["population"] = step, (states, one)
    return {
        name: export.export(program, platforms=PLATFORMS)(*args).mlir_module()
        for name, (program, args) in programs.items()
    }


def types_in(text: str) -> set[str]:
    """The element types of a module's arrays, such as f32."""
    return set(re.findall(r"tensor<(?:\d+x)*([a-z]+\d+)>", text))


def assert_fit_for_accelerators(env: str, algo: str, settings: dict, devices: int = 1) -> dict:
    """The programs' text by name."""
    programs = lowered(env, algo, settings, devices)
    for name, text in programs.items():
        assert "f64" not in types_in(text) and not ON_THE_HOST.search(text), name
    return programs


@pytest.mark.parametrize(("env", "algo"), [("CartPole-v1", "ppo"), ("Pendulum-v1", "sac")])
def test_a_program_lowers_for_accelerators(env, algo):
    assert_fit_for_accelerators(env, algo, {"evaluation.episodes": 4})


def test_a_call_to_python_or_a_double_would_be_seen():
    def called(x):
        return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), jnp.float32), x)

    with pytest.raises(NotImplementedError, match="callback"):
        export.export(jax.jit(called), platforms=PLATFORMS)(1.0)
    with jax.enable_x64(True):
        doubled = export.export(jax.jit(lambda x: 2.0 * x), platforms=PLATFORMS)
        assert "f64" in types_in(doubled(jax.ShapeDtypeStruct((3,), jnp.float64)).mlir_module())


def lowers(env: str, algo: str, settings: dict) -> bool:
    """False for settings that are refused together, such as SAC on discrete actions."""
    try:
        assert_fit_for_accelerators(env, algo, settings)
    except ConfigError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("env", ENVS)
def test_every_algorithm_lowers_in_every_env(env):
    done = [algo for algo in ALGORITHMS if lowers(env, algo, {"evaluation.episodes": 4})]
    assert {"ppo", "a2c"} <= set(done)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("env", "networks", "number"),
    [
        ("CartPole-v1", ("mlp", "gru", "layer norm", "shared"), 11),
        ("Breakout-MinAtar", ("cnn", "mlp", "gru"), 8),
        ("tests.small_envs:Camera", ("nature",), 5),
        ("Pendulum-v1", ("mlp", "gru", "layer norm", "shared"), 9),
        ("Balatro-stage0", ("cards",), 3),
        ("Hamlet-L2", ("gru", "places", "mapping"), 6),
    ],
)
def test_every_kind_of_network_lowers_with_every_algorithm(env, networks, number):
    pairs = product(networks, ALGORITHMS)
    done = [(n, a) for n, a in pairs if lowers(env, a, NETWORKS[n] | {"evaluation.episodes": 4})]
    assert len(done) >= number, done


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_lowers(option):
    algo, settings = OPTIONS[option]
    assert_fit_for_accelerators(
        "Pendulum-v1" if option == "ddpg" else "CartPole-v1", algo, settings
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("training", TRAININGS)
def test_teams_self_play_populations_and_curricula_lower(training):
    programs = assert_fit_for_accelerators(*TRAININGS[training])
    assert ("population" in programs) == ("population" in training)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("algo", SHARDED)
def test_shards_lower_on_one_device_in_turn_and_on_two(algo):
    settings = SHARDED[algo] | {"shards": 4, "seeds": 1}
    alone, apart = (assert_fit_for_accelerators("CartPole-v1", algo, settings, n) for n in (1, 2))
    assert "all_gather" not in alone["chunk"] and "all_gather" in apart["chunk"]
    assert "all_reduce" not in apart["chunk"]  # of which the order is the devices'


@pytest.mark.parametrize("precision", ["highest", None])
def test_what_compiles_during_training_has_the_precision_of_the_caller(precision):
    @jax.jit
    def squared(x):
        return x @ x

    with jax.default_matmul_precision(precision):
        expected = squared.lower(jnp.ones((2, 2))).as_text()
        seen = []
        lowered = SimpleNamespace(lower=lambda x: seen.append(squared.lower(x)) or seen[0])
        Meanwhile(lowered, jnp.ones((2, 2)))(jnp.ones((2, 2)))
    assert seen[0].as_text() == expected
    assert ("HIGHEST" in expected) == (precision == "highest")
