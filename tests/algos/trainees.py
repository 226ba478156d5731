"""Every algorithm and every option of it, small enough to learn a tiny env in a second."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.algos import a2c, dqn, ppo, pqn, sac, sac_discrete, td3
from elsinore.experience.rnd import RNDConfig
from elsinore.nets.config import NetworkConfig
from tests.small_envs import Clocked, Steered, World

KEY, PARAMS = jax.random.key(0), Clocked()
TINY = NetworkConfig(hidden=(16,))
GRU = NetworkConfig(hidden=(16,), gru=16)
LSTM = NetworkConfig(hidden=(16,), lstm=16)
LRU = NetworkConfig(hidden=(16,), lru=16)
SEQUENCES = {"sequence_length": 4, "burn_in": 2, "batch_size": 16}
CURIOUS = RNDConfig(weight=0.01, hidden=(8,), features=4, batch_size=32)

PPO = partial(ppo.PPOConfig, num_envs=8, rollout_length=16, learning_rate=0.01, network=TINY)
A2C = partial(a2c.A2CConfig, num_envs=16, learning_rate=0.03, network=TINY)
# At a constant learning rate this large a value leaves its target for some updates now and then.
DQN = partial(
    dqn.DQNConfig,
    learning_rate_final=0.0,
    num_envs=8,
    rollout_length=4,
    gradient_steps=4,
    batch_size=64,
    buffer_size=2_000,
    learning_starts=100,
    target_period=128,
    learning_rate=0.01,
    network=TINY,
)
PQN = partial(
    pqn.PQNConfig,
    num_envs=8,
    rollout_length=16,
    num_minibatches=4,
    learning_rate=0.01,
    epsilon_final=0.1,
    network=NetworkConfig(hidden=(16,), layer_norm=True),
)
SMALL = {
    "num_envs": 8,
    "rollout_length": 4,
    "gradient_steps": 4,
    "batch_size": 64,
    "buffer_size": 2_000,
    "learning_starts": 100,
    "tau": 0.05,
    "learning_rate": 0.01,
    "network": TINY,
}
SAC = partial(sac.SACConfig, **SMALL)
SAC_DISCRETE = partial(sac_discrete.SACDiscreteConfig, **SMALL, target_entropy=0.1)
TD3 = partial(td3.TD3Config, **SMALL)
PLAIN = {"num_critics": 1, "policy_delay": 1, "target_noise": 0.0}  # DDPG
RAINBOW = {"double": True, "dueling": True, "n_step": 3, "prioritized": True}
C51 = {"distribution": "c51", "atoms": 21, "v_min": 0.0, "v_max": 4.0}

VARIANTS = {
    "ppo": PPO(),
    "ppo spo": PPO(surrogate="spo"),
    "ppo vtrace": PPO(advantage="vtrace"),
    "ppo popart": PPO(popart=True),
    "ppo gru": PPO(network=GRU),
    "ppo lstm": PPO(network=LSTM),
    "ppo lru": PPO(network=LRU),
    "ppo rnd": PPO(rnd=CURIOUS),
    "ppo squashed": PPO(action_distribution="squashed"),
    "ppo beta": PPO(action_distribution="beta"),
    "ppo gsde": PPO(action_distribution="gsde"),
    "a2c": A2C(),
    "a2c gae adam": A2C(
        gae_lambda=0.95, optimiser="adam", normalize_advantage=True, learning_rate=0.01
    ),
    "a2c gru": A2C(network=GRU, optimiser="adam", learning_rate=0.01),
    "a2c popart": A2C(popart=True, learning_rate=0.01),
    "a2c rnd": A2C(rnd=CURIOUS),
    "dqn": DQN(),
    "dqn double": DQN(double=True),
    "dqn dueling": DQN(dueling=True),
    "dqn n-step": DQN(n_step=3),
    "dqn prioritised": DQN(prioritized=True),
    "dqn rainbow": DQN(**RAINBOW),
    "dqn polyak": DQN(tau=0.2, target_period=32),
    "dqn episodes": DQN(epsilon_schedule="episodes", epsilon_decay=0.99),
    "dqn huber": DQN(loss="huber"),
    "dqn rnd": DQN(rnd=CURIOUS),
    "dqn c51": DQN(**C51),
    "dqn qr": DQN(distribution="qr", quantiles=8),
    "dqn iqn": DQN(distribution="iqn", quantiles=8),
    "dqn noisy": DQN(noisy=True),
    "dqn munchausen": DQN(munchausen=True),
    "dqn munchausen iqn": DQN(munchausen=True, distribution="iqn", quantiles=4),
    "dqn whole rainbow": DQN(**RAINBOW, **C51, noisy=True, noisy_std=0.2),
    "dqn resets": DQN(reset_period=3_200, n_step=3, n_step_final=1, n_step_anneal=1_600),
    "dqn gru": DQN(network=GRU, **SEQUENCES),
    "dqn lru r2d2": DQN(
        network=LRU, **SEQUENCES, double=True, dueling=True, n_step=3, prioritized=True
    ),
    "dqn lstm c51": DQN(network=LSTM, **SEQUENCES, **C51),
    "pqn": PQN(),
    "pqn gru": PQN(network=GRU),
    "pqn lru": PQN(network=LRU),
    "pqn rnd": PQN(rnd=CURIOUS),
    "sac": SAC(),
    "sac fixed": SAC(tune_temperature=False, temperature=0.01),
    "sac n-step prioritised": SAC(n_step=3, prioritized=True),
    "sac rnd": SAC(rnd=CURIOUS),
    "sac tqc": SAC(quantiles=5, dropped_quantiles=1),
    "sac droq": SAC(
        critic_dropout=0.01, network=NetworkConfig(hidden=(16,), layer_norm=True), gradient_steps=8
    ),
    "sac beta": SAC(action_distribution="beta"),
    "sac gsde": SAC(action_distribution="gsde"),
    "sac_discrete": SAC_DISCRETE(),
    "sac_discrete n-step prioritised": SAC_DISCRETE(n_step=3, prioritized=True),
    "td3": TD3(),
    "td3 n-step prioritised": TD3(n_step=3, prioritized=True),
    "ddpg": TD3(**PLAIN),
}
MAKE = {
    "ppo": ppo.ppo,
    "a2c": a2c.a2c,
    "dqn": dqn.dqn,
    "pqn": pqn.pqn,
    "sac": sac.sac,
    "sac_discrete": sac_discrete.sac_discrete,
    "td3": td3.td3,
}
UPDATES = {
    "ppo": 100,
    "a2c": 400,
    "dqn": 400,
    "pqn": 150,
    "sac": 400,
    "sac_discrete": 400,
    "td3": 400,
}
CONTINUOUS = ("sac", "td3")
QUICKLY = {"xla_backend_optimization_level": 0}  # these compile longer than they run


def quickly(name: str) -> dict[str, int]:
    """Compiler options for programs that compile longer than they run.

    SAC needs LLVM's first level: at the lowest, with the older emitters that `make test` chooses,
    XLA of jaxlib 0.11.2 compiles a scan over updates to a program that gives NaN, and gives none
    when the same scan also returns the states, nor at any other level, nor with the newer emitters.
    """
    return QUICKLY | ({"xla_backend_optimization_level": 1} if name.startswith("sac") else {})


def _has_two_actions(world) -> bool:
    return type(world).action_space is World.action_space


class Trained(NamedTuple):
    algo: Any
    state: Any
    metrics: dict[str, Any]  # every update's


def make(config, world, params=PARAMS, updates=None, network=None):
    """The algorithm; one of continuous actions steers an env of two actions by a number."""
    continuous = getattr(config, "action_distribution", "normal") != "normal"
    if (continuous or config.name in CONTINUOUS) and _has_two_actions(world):
        world = Steered(world)
    return MAKE[config.name](config, world, params, updates or UPDATES[config.name], network)


@cache
def train(config, world, params=PARAMS, updates=None, network=None) -> Trained:
    """The algorithm, its state after some updates, and every update's metrics."""
    algo = make(config, world, params, updates, network)

    def run(key):
        start = algo.init(key, params, algo.hyper)
        return jax.lax.scan(
            lambda state, _: algo.update(state), start, length=updates or UPDATES[config.name]
        )

    return Trained(algo, *jax.jit(run, compiler_options=quickly(config.name))(KEY))


class Compiled(NamedTuple):
    algo: Any
    begin: Any  # (key) -> state
    update: Any


@cache
def compiled(config, world, params=PARAMS, updates=None, network=None) -> Compiled:
    """The algorithm's functions, for a test that goes update by update."""
    algo = make(config, world, params, updates, network)
    begin = jax.jit(lambda key=KEY: algo.init(key, params, algo.hyper), compiler_options=QUICKLY)
    return Compiled(algo, begin, jax.jit(algo.update, compiler_options=QUICKLY))


def values(trained, *obs):
    """What observations are thought to be worth, as an episode begins."""
    value = jax.vmap(trained.algo.policy.value, in_axes=(None, None, 0))
    return jax.jit(value)(
        trained.state.policy_state, trained.algo.policy.initial_carry, jnp.stack(obs)
    ).tolist()


def mean(metric, last=10):
    """Of a metric over the last updates."""
    return float(metric.total[-last:].sum() / metric.count[-last:].sum())


def data(tree):
    """Keys as their numbers."""

    def data(x):
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(data, tree)


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, data(a), data(b))
