"""Presets of TD3, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # As for SAC: 8 seeds reach -155, the worst -164.
    "Pendulum-v1": {
        "env_steps": 20_000,
        "algo": {
            "num_envs": 4, "gradient_steps": 4, "learning_starts": 400, "learning_rate": 1e-3,
            "buffer_size": 20_000, "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
    # As for SAC, with noise enough to reach the top: 8 seeds reach 93.1, the worst 92.7.
    "MountainCarContinuous-v0": {
        "env_steps": 50_000,
        "algo": {
            "rollout_length": 64, "gradient_steps": 64, "noise_correlation": 0.95,
            "exploration_noise": 0.5, "learning_starts": 4_000, "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "buffer_size": 50_000, "batch_size": 128,
            "network": {"hidden": [64, 64]},
        },
    },
    # As for SAC, with much noise: 8 seeds reach 57.9, the worst 54.6. With the default of 0.1 four
    # ended at 36.3.
    "Reacher-misc": {
        "env_steps": 60_000,
        "algo": {
            "num_envs": 8, "gradient_steps": 4, "learning_starts": 800, "gamma": 0.95,
            "exploration_noise": 0.5, "learning_rate": 1e-3, "learning_rate_final": 0.0,
            "buffer_size": 60_000, "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
    # As for SAC: 8 seeds reach 380, the worst 360. With a noise of 0.3, a gamma of 0.97 and a rate
    # that falls to 0 four ended at 343.
    "Swimmer-misc": {
        "env_steps": 50_000,
        "algo": {
            "num_envs": 8, "gradient_steps": 4, "learning_starts": 4_000,
            "exploration_noise": 0.5, "learning_rate": 1e-3, "buffer_size": 50_000,
            "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
}  # fmt: skip
