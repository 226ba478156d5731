"""Presets of A2C, by environment."""

from typing import Any

from elsinore.config.presets.minatar import in_each_game

PRESETS: dict[str, dict[str, Any]] = {
    # Standardised advantages and a rate that falls to 0 are what keeps it at 500; without either,
    # seeds fall back.
    "CartPole-v1": {
        "env_steps": 500_000,
        "algo": {
            "num_envs": 16, "learning_rate": 4e-3, "learning_rate_final": 0.0, "gamma": 0.98,
            "gae_lambda": 0.95, "normalize_advantage": True,
        },
        "convergence": {"target": 490.0, "window": 4, "patience": 2},
    },
    "Acrobot-v1": {
        "env_steps": 500_000,
        "algo": {
            "num_envs": 16, "rollout_length": 8, "learning_rate": 2e-3, "learning_rate_final": 0.0,
            "gae_lambda": 0.95, "ent_coef": 0.003, "normalize_advantage": True,
            "normalize_rewards": True, "network": {"activation": "relu"},
        },
    },
    # A step has the gradient of 40 transitions only; with observations normalised too, some seeds
    # swing for ever. Ten steps a rollout: with five and a norm of 1, one seed in 24 never swings up
    # (32 of 32 do so).
    "Pendulum-v1": {
        "env_steps": 1_000_000,
        "algo": {
            "rollout_length": 10, "optimiser": "adam", "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "gamma": 0.95, "gae_lambda": 0.9, "normalize_rewards": True,
        },
    },
    # Short rollouts of few envs, so many updates, and advantages as they are: normalised over so
    # few steps, or with longer rollouts, some 40 settings ended at 128 steps or worse, a policy
    # that always pushes the way it rolls.
    "MountainCar-v0": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 4, "rollout_length": 5, "learning_rate": 2e-3, "learning_rate_final": 0.0,
            "gae_lambda": 0.95, "ent_coef": 0.01, "normalize_obs": True, "normalize_rewards": True,
        },
    },
    # High entropy, as for PPO: without it seeds stop exploring before they have seen every column.
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "rollout_length": 9, "optimiser": "adam", "learning_rate": 3e-3,
            "learning_rate_final": 0.0, "gae_lambda": 0.95, "ent_coef": 0.1,
            "normalize_advantage": True, "network": {"activation": "relu"},
        },
    },
    # The RND bonus, as for PPO; a rollout is one episode of every env. All 8 seeds find the chest.
    "DeepSea-bsuite": {
        "env_steps": 150_000,
        "algo": {
            "rollout_length": 8, "optimiser": "adam", "learning_rate": 1e-3, "gae_lambda": 0.95,
            "ent_coef": 0.03, "normalize_advantage": True, "network": {"activation": "relu"},
            "rnd": {"weight": 0.5, "hidden": [64], "features": 32, "learning_rate": 1e-3},
        },
    },
    # MinAtar's games, as PPO has them, with one gradient step for every 256 transitions. Two seeds,
    # sampled: Breakout 5.3, SpaceInvaders 36, Freeway 24, Asterix 0.9.
    **in_each_game({
        "env_steps": 500_000,
        "algo": {
            "num_envs": 32, "rollout_length": 8, "optimiser": "adam", "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "gae_lambda": 0.95, "ent_coef": 0.01,
            "normalize_advantage": True, "network": {"hidden": [64], "activation": "relu"},
        },
    }),
    # Length 16; a rollout is two episodes.
    # Without the entropy bonus a policy may settle before it remembers: one of 8 seeds forgot the
    # chain when it trained on; with it all of 16 keep it.
    "MemoryChain-bsuite": {
        "env_params": {"memory_length": 16},
        "env_steps": 400_000,
        "algo": {
            "num_envs": 16, "rollout_length": 34, "optimiser": "adam", "learning_rate": 3e-3,
            "learning_rate_final": 0.0, "gamma": 0.999, "gae_lambda": 0.95, "ent_coef": 0.02,
            "network": {"gru": 32, "hidden": [32]},
        },
    },
}  # fmt: skip
