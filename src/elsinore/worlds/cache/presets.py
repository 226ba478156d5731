"""Presets of the cache environments, by `<algorithm>/<environment>`; see `docs/cache.md`."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Rewards are mostly the latency of requests that no action could change: many worlds, and a
    # discount that looks some thirty requests ahead, about as long as what is fetched waits for its
    # use. Returns of 224 and 229, where the best hand-written rule has 160.
    "ppo/Cache-api": {
        "env_steps": 1_500_000,
        "algo": {
            "num_envs": 64,
            "rollout_length": 64,
            "num_minibatches": 4,
            "num_epochs": 4,
            "learning_rate": 1e-3,
            "gamma": 0.97,
            "gae_lambda": 0.9,
            "ent_coef": 0.003,
            "normalize_obs": True,
            "normalize_rewards": True,
        },
    },
    # Returns of 159 and 156: as DQN's, above always fetching moderately (141) and no better than
    # the best hand-written rule.
    "a2c/Cache-api": {
        "env_steps": 1_500_000,
        "algo": {
            "num_envs": 64,
            "rollout_length": 16,
            "optimiser": "adam",
            "learning_rate": 1e-3,
            "learning_rate_final": 0.0,
            "gamma": 0.97,
            "gae_lambda": 0.9,
            "ent_coef": 0.003,
            "normalize_advantage": True,
            "normalize_obs": True,
            "normalize_rewards": True,
        },
    },
    # Rewards spread from -10 to 5, mostly by what no action could change: eight steps of them, and
    # no long future. Returns of 206 and 212 with two seeds; with five steps, gamma 0.97 and half as
    # long, 165 and 179.
    "dqn/Cache-api": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 32,
            "rollout_length": 2,
            "gradient_steps": 2,
            "n_step": 8,
            "double": True,
            "dueling": True,
            "buffer_size": 200_000,
            "batch_size": 128,
            "learning_starts": 10_000,
            "learning_rate": 5e-4,
            "learning_rate_final": 0.0,
            "gamma": 0.95,
            "target_period": 64,
            "tau": 0.01,
            "epsilon_final": 0.02,
            "epsilon_fraction": 0.2,
            "loss": "huber",
            "normalize_obs": True,
            "normalize_rewards": True,
            "network": {"hidden": [128, 64], "activation": "tanh"},
        },
    },
}
