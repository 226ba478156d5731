"""Presets of PPO, by environment."""

from typing import Any

from elsinore.config.mappings import merge_settings
from elsinore.config.presets.minatar import in_each_game

# MinAtar's games at a budget for two cores, a twentieth of the 10,000,000 steps that are usual.
GAME: dict[str, Any] = {
    "env_steps": 500_000,
    "algo": {
        "num_envs": 32,
        "rollout_length": 64,
        "num_minibatches": 8,
        "num_epochs": 4,
        "learning_rate": 1e-3,
        "network": {"hidden": [64], "activation": "relu"},
    },
}

PRESETS: dict[str, dict[str, Any]] = {
    # rl-baselines3-zoo's settings for CartPole with a constant clip range and half the weight of
    # the critic: 48 of 48 seeds reach 500. The bar is above 475 so that a seed that is frozen at it
    # stays above 475 in evaluations it has not seen.
    "CartPole-v1": {
        "env_steps": 100_000,
        "algo": {
            "num_envs": 8, "rollout_length": 32, "num_minibatches": 1, "num_epochs": 20,
            "learning_rate": 1e-3, "gamma": 0.98, "gae_lambda": 0.8, "ent_coef": 0.0,
        },
        "convergence": {"target": 490.0, "window": 4, "patience": 2},
    },
    # Found by random search over 20 settings, 8 seeds each; scaling the rewards of -1 matters most.
    "Acrobot-v1": {
        "env_steps": 500_000,
        "algo": {
            "num_envs": 8, "num_epochs": 8, "learning_rate": 2e-3, "gae_lambda": 0.9,
            "ent_coef": 0.003, "normalize_rewards": True, "network": {"activation": "relu"},
        },
    },
    # The reward is -1 for every step: normalised observations and rewards, and some entropy.
    "MountainCar-v0": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 16, "rollout_length": 64, "num_minibatches": 8, "learning_rate": 1e-3,
            "gae_lambda": 0.98, "normalize_obs": True, "normalize_rewards": True,
        },
    },
    # Found by random search over 24 settings; a narrow first policy and a wide clip range. With a
    # discount of 0.95 instead of the usual 0.9, 32 seeds reach -156 instead of -168 and none fails.
    # Without target_kl the KL divergence of an update passes 0.1 and seeds that could swing up lose
    # it: at four times the budget 3 of 8 end below -210, two near -600, and with 0.05 none does.
    # At the budget itself 16 seeds have -161 with it and -158 without: -2.8, standard error 2.4.
    "Pendulum-v1": {
        "env_steps": 100_000,
        "algo": {
            "num_envs": 8, "rollout_length": 256, "num_minibatches": 32, "num_epochs": 10,
            "learning_rate": 1e-3, "gamma": 0.95, "clip_eps": 0.3, "target_kl": 0.05,
            "ent_coef": 0.0, "normalize_rewards": True,
            "network": {"activation": "silu", "initial_log_std": -0.5},
        },
    },
    # High entropy: with a tenth of it, one seed in ten misses some columns.
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "num_envs": 8, "rollout_length": 32, "num_minibatches": 2, "num_epochs": 8,
            "learning_rate": 1e-3, "ent_coef": 0.1, "network": {"activation": "relu"},
        },
    },
    # Length 16: the first observation decides the last action. A rollout has about four episodes.
    "MemoryChain-bsuite": {
        "env_params": {"memory_length": 16},
        "env_steps": 100_000,
        "algo": {
            "num_envs": 16, "rollout_length": 64, "learning_rate": 2e-3, "gamma": 0.999,
            "network": {"gru": 32, "hidden": [32]},
        },
    },
    # Every step to the right costs, and only the last pays: with the RND bonus every seed finds it,
    # without it half of them; at a weight of 0.1, 13 of 16.
    "DeepSea-bsuite": {
        "env_steps": 150_000,
        "algo": {
            "num_envs": 8, "rollout_length": 32, "num_minibatches": 2, "num_epochs": 8,
            "learning_rate": 1e-3, "ent_coef": 0.03, "network": {"activation": "relu"},
            "rnd": {"weight": 0.5, "hidden": [64], "features": 32, "learning_rate": 1e-3},
        },
    },
    **in_each_game(GAME),
    # With layer norm; without it 8 seeds reach 5.5 to 19, and 6.5 to 16 with four times the steps.
    "Breakout-MinAtar": merge_settings(GAME, {"algo": {"network": {"layer_norm": True}}}),
    # Where random actions get 15.6 and 87, 8 seeds reach 53.1 and 403, the worst 49.3 and 334.
    "Reacher-misc": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 16, "rollout_length": 128, "num_minibatches": 8, "num_epochs": 4,
            "gamma": 0.95, "learning_rate": 1e-3, "learning_rate_final": 0.0,
            "normalize_obs": True,
        },
    },
    "Swimmer-misc": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 16, "rollout_length": 128, "num_minibatches": 8, "num_epochs": 4,
            "learning_rate": 1e-3, "learning_rate_final": 0.0, "normalize_obs": True,
        },
    },
}  # fmt: skip
