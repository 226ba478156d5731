"""What DQN is run with, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Targets that follow slowly, 3 steps, and a memory of the last fifth of the run. With a copy every 200 steps seeds
    # end at 434 to 491, with a memory of the whole run at 474 to 494.
    "CartPole-v1": {
        "env_steps": 50_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3, "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05, "epsilon_final": 0.04,
            "epsilon_fraction": 0.2, "network": {"hidden": [64, 64]},
        },
        "convergence": {"target": 490.0, "window": 4, "patience": 2},
    },
    # Layer normalisation and normalised observations were worth 3 to 5 steps an episode.
    "Acrobot-v1": {
        "env_steps": 100_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3, "prioritized": True,
            "buffer_size": 50_000, "learning_rate": 1e-3, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05,
            "epsilon_fraction": 0.12, "normalize_obs": True, "network": {"hidden": [64, 64], "layer_norm": True},
        },
    },
    # Normalised observations: without them most seeds never see the hill's top.
    "MountainCar-v0": {
        "env_steps": 120_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 5, "buffer_size": 50_000,
            "gamma": 0.98, "learning_rate": 1e-3, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.02,
            "epsilon_fraction": 0.4, "normalize_obs": True, "network": {"hidden": [64, 64]},
        },
    },
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3, "target_period": 400,
            "epsilon_final": 0.02, "buffer_size": 20_000, "network": {"hidden": [64, 64]},
        },
    },
    # As for PPO, a reward for what is new.
    "DeepSea-bsuite": {
        "env_steps": 150_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3, "target_period": 400,
            "epsilon_final": 0.02, "buffer_size": 20_000, "network": {"hidden": [64, 64]},
            "rnd": {"weight": 0.1, "hidden": [64], "features": 32, "learning_rate": 1e-3},
        },
    },
}  # fmt: skip
