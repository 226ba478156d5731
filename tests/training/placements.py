"""Digests of whole states of sharded seeds, on the devices of this process.

JAX_NUM_CPU_DEVICES=4 python -m tests.training.placements CASE
"""

import hashlib
import json
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.config.load import load_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.runs.programs import NO_UPDATES, jit_population_step
from elsinore.training.layout import Layout, layout_for
from elsinore.training.replicas import fetch, init_program, over_seeds, place, seed_keys

SMALL = {
    "shards": 2,
    "algo.num_envs": 4,
    "algo.rollout_length": 8,
    "algo.network.hidden": [8],
    "env_steps": 4 * 8 * 100,
    "env_params.max_steps_in_episode": 20,
    "evaluation.episodes": 4,
    "evaluation.final_episodes": 4,
    "evaluation.period": 4,
    "convergence.enabled": False,
}
MINIBATCHES = {"algo.num_minibatches": 2, "algo.num_epochs": 2}
NORMALISED = {"algo.normalize_obs": True, "algo.normalize_rewards": True}
LADDER = {"param": "max_steps_in_episode", "initial": 10, "increment": 5, "maximum": 20}
CURRICULUM = {
    "curriculum.ladder": LADDER,
    "curriculum.advance_when": {"metric": "length", "window": 8, "at_least": 9.0},
}
WIDE = {"algo.network.hidden": [64, 64], "algo.network.layer_norm": True}
EPISODES = {
    "rows": "episode",
    "convergence.enabled": True,
    "convergence.counts": "episodes",
    "convergence.target": 18.0,
}
REPLAY = {
    "algo.rollout_length": 1,
    "algo.buffer_size": 512,
    "algo.batch_size": 32,
    "algo.learning_starts": 8,
}
DQN = REPLAY | {"algo.target_period": 40, "algo.epsilon_fraction": 0.02}
CONVOLUTIONS = {"algo.network.channels": [8]}
RND = {
    "algo.rnd.weight": 0.5,
    "algo.rnd.hidden": [16],
    "algo.rnd.features": 8,
    "algo.rnd.batch_size": 8,
}
ANNEALED = {"algo.rnd.anneal": 0.9, "algo.rnd.anneal_window": 8, "algo.rnd.anneal_share": 0.1}
TAUGHT = {
    "imitation.teacher": "tests.training.placements:leftmost",
    "imitation.num_envs": 8,
    "imitation.rollout_length": 4,
    "imitation.num_epochs": 2,
    "imitation.env_steps": 8 * 4 * 3,
}
MEMBERS = {"vary": {"algo.gamma": [0.9, 0.93, 0.95, 0.99]}}
PBT = MEMBERS | {
    "seeds": 2,
    "population.pbt.quantile": 0.5,
    "population.pbt.space": {"algo.learning_rate": {"log": [1e-4, 1e-1]}},
}
HALVING = MEMBERS | {"population.halving.eta": 3, "population.halving.rungs": 3}
SEQUENCES = {"algo.rollout_length": 4, "algo.sequence_length": 4, "algo.batch_size": 8}
PRIORITISED = {"algo.prioritized": True, "algo.n_step": 3}
CASES = {
    "ppo": ("CartPole-v1", "ppo", MINIBATCHES | {"shards": 4, "algo.num_envs": 8}),
    "ppo with a KL bound": (
        "CartPole-v1",
        "ppo",
        MINIBATCHES
        | {"algo.normalize_obs": True, "algo.target_kl": 1e-3, "algo.normalize_advantage": "batch"},
    ),
    "a2c": ("CartPole-v1", "a2c", {"algo.normalize_rewards": True}),
    "a2c with RAdam": ("CartPole-v1", "a2c", WIDE | {"algo.optimiser": "radam"}),
    "a2c of single steps": (
        "CartPole-v1",
        "a2c",
        NORMALISED | {"shards": 4, "algo.rollout_length": 1},
    ),
    "ppo of continuous actions": ("Pendulum-v1", "ppo", MINIBATCHES),
    "ppo with masks": ("Hamlet-L0_0", "ppo", MINIBATCHES | {"algo.normalize_obs": True}),
    "a2c with masks": ("tests.small_envs:MaskedBandit", "a2c", {"shards": 4}),
    "ppo with a GRU": (
        "CartPole-v1",
        "ppo",
        MINIBATCHES | {"shards": 4, "algo.num_envs": 8, "algo.network.gru": 8},
    ),
    "a2c with an LSTM": (
        "CartPole-v1",
        "a2c",
        {
            "shards": 4,
            "algo.network.lstm": 8,
            "algo.normalize_obs": True,
            "algo.normalize_advantage": True,
        },
    ),
    "ppo with an LRU": ("Pendulum-v1", "ppo", MINIBATCHES | {"algo.network.lru": 8}),
    "pqn": (
        "CartPole-v1",
        "pqn",
        MINIBATCHES | NORMALISED | WIDE | {"shards": 4, "algo.num_envs": 8},
    ),
    "pqn with a memory": ("CartPole-v1", "pqn", MINIBATCHES | {"algo.network.lstm": 8}),
    "dqn": (
        "CartPole-v1",
        "dqn",
        DQN | NORMALISED | WIDE | {"shards": 4, "algo.num_envs": 8, "algo.n_step": 3},
    ),
    "dqn with priorities": (
        "CartPole-v1",
        "dqn",
        DQN
        | PRIORITISED
        | {
            "shards": 4,
            "algo.num_envs": 8,
            "algo.gradient_steps": 2,
            "algo.rollout_length": 2,
            "algo.double": True,
            "algo.dueling": True,
            "algo.loss": "huber",
            "algo.tau": 0.1,
            "algo.epsilon_schedule": "episodes",
        },
    ),
    "dqn with masks": ("tests.small_envs:MaskedBandit", "dqn", DQN | {"algo.munchausen": True}),
    "dqn with a memory": (
        "CartPole-v1",
        "dqn",
        DQN
        | PRIORITISED
        | NORMALISED
        | SEQUENCES
        | {"shards": 4, "algo.num_envs": 8, "algo.network.gru": 8, "algo.burn_in": 2},
    ),
    "dqn with an LSTM": (
        "CartPole-v1",
        "dqn",
        DQN | SEQUENCES | {"algo.network.lstm": 8, "algo.double": True, "algo.distribution": "qr"},
    ),
    "dqn with a curriculum": ("CartPole-v1", "dqn", DQN | CURRICULUM),
    "rainbow": ("CartPole-v1", "rainbow", DQN | PRIORITISED | NORMALISED),
    "qrdqn": ("CartPole-v1", "qrdqn", DQN | WIDE),
    "iqn": ("CartPole-v1", "iqn", DQN | PRIORITISED),
    "ppo with a curriculum": (
        "CartPole-v1",
        "ppo",
        MINIBATCHES | CURRICULUM | {"shards": 4, "algo.num_envs": 8},
    ),
    "ppo with convolutions": (
        "Breakout-MinAtar",
        "ppo",
        MINIBATCHES | CONVOLUTIONS | {"shards": 4, "algo.num_envs": 8},
    ),
    "a2c with convolutions and a memory": (
        "Breakout-MinAtar",
        "a2c",
        CONVOLUTIONS
        | {"algo.network.channels": [4, 4], "algo.network.gru": 8, "algo.normalize_obs": True},
    ),
    "pqn with convolutions": (
        "Breakout-MinAtar",
        "pqn",
        MINIBATCHES
        | NORMALISED
        | {
            "algo.network.channels": [16],
            "algo.network.hidden": [128],
            "algo.network.layer_norm": True,
        },
    ),
    "dqn with convolutions": (
        "Breakout-MinAtar",
        "dqn",
        DQN | PRIORITISED | CONVOLUTIONS | {"shards": 4, "algo.num_envs": 8},
    ),
    "ppo with RND": (
        "CartPole-v1",
        "ppo",
        MINIBATCHES | NORMALISED | RND | ANNEALED | {"shards": 4, "algo.num_envs": 8},
    ),
    "pqn with RND of images": (
        "Breakout-MinAtar",
        "pqn",
        MINIBATCHES | CONVOLUTIONS | RND | {"algo.rnd.channels": [4]},
    ),
    "dqn with RND": (
        "CartPole-v1",
        "dqn",
        DQN | PRIORITISED | NORMALISED | RND | ANNEALED | {"algo.rnd.batch_size": 16},
    ),
    "ppo with imitation": (
        "tests.small_envs:MaskedBandit",
        "ppo",
        MINIBATCHES | TAUGHT | {"shards": 4, "algo.num_envs": 8},
    ),
    "dqn with imitation": (
        "tests.small_envs:MaskedBandit",
        "dqn",
        DQN | TAUGHT | {"imitation.loss": "worth"},
    ),
    "members of ppo": ("CartPole-v1", "ppo", MINIBATCHES | MEMBERS),
    "a population of ppo": ("CartPole-v1", "ppo", MINIBATCHES | NORMALISED | PBT),
    "a population of dqn": ("CartPole-v1", "dqn", DQN | PRIORITISED | PBT | {"seeds": 1}),
    "a population of ppo that is halved": ("CartPole-v1", "ppo", MINIBATCHES | HALVING),
    "ppo whose episodes count": ("CartPole-v1", "ppo", MINIBATCHES | EPISODES),
}


def leftmost(env):
    """A teacher of `MaskedBandit`: the first arm that is legal, in half of the states."""

    def advice(state, env_params):
        legal = state.legal
        return jnp.argmax(legal), legal[0], -jnp.arange(len(legal), dtype=jnp.float32)

    return advice


def planned(algo: str, settings: dict, env: str = "CartPole-v1") -> Plan:
    """The plan of a small run of shards."""
    return plan_for(load_experiment(env, algo, overrides=SMALL | settings))


def layout_of(program, seeds: int, shards: int, devices) -> Layout:
    """The placement on these devices; on several a seed, one launch computes all."""
    return layout_for(seeds, "map", shards=shards, devices=devices).for_program(program)


def launch_of(program, layout, states):
    """The compiled chunk."""
    return over_seeds(program.chunk, layout, donate=True).lower(states, NO_UPDATES).compile()


def digests(plan: Plan, seeds: int, devices) -> list[str]:
    """Of each replica's state and report after two chunks, with the step of a population between
    them where there is one."""
    program, replicas = plan.program, seeds * plan.experiment.members
    layout = layout_of(program, replicas, plan.experiment.shards, devices)
    begin = init_program(program, layout)
    keys = seed_keys(0, seeds, plan.experiment.members)
    states = place(begin(keys, plan.hyper), layout)
    launch = launch_of(program, layout, states)
    states, _ = launch(states, np.int32(4))
    if plan.population_step is not None:
        step = jit_population_step(plan.population_step, layout, states, donate=True)
        states, _ = step.lower(states, NO_UPDATES).compile()(states, np.int32(1))
    host = fetch(launch(states, np.int32(3)), layout)
    return [
        hashlib.sha256(
            b"".join(np.ascontiguousarray(x[i]).tobytes() for x in jax.tree.leaves(host))
        ).hexdigest()
        for i in range(replicas)
    ]


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(os.environ["JAX_NUM_CPU_DEVICES"]))
    env, algo, settings = CASES[sys.argv[1]]
    plan = planned(algo, settings, env)
    print(json.dumps(digests(plan, plan.experiment.seeds, jax.devices())))
