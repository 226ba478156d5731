"""Presets of SAC, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # A gradient step for every env step, as published, on networks of a quarter of the width and
    # half of the batch: 8 seeds reach -150, the worst -160.
    "Pendulum-v1": {
        "env_steps": 20_000,
        "algo": {
            "num_envs": 4, "gradient_steps": 4, "learning_starts": 400, "learning_rate": 1e-3,
            "buffer_size": 20_000, "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
    # The noise of successive steps is correlated, over some twenty steps; its effect alone was not
    # measured. 8 seeds reach 94.5, the worst 94.2; the settings were chosen on the first two.
    "MountainCarContinuous-v0": {
        "env_steps": 50_000,
        "algo": {
            "rollout_length": 64, "gradient_steps": 64, "noise_correlation": 0.95,
            "learning_starts": 4_000, "learning_rate": 1e-3, "learning_rate_final": 0.0,
            "buffer_size": 50_000, "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
    # A gradient step for every two env steps. The arm speeds up by 1 rad/s^2 at most, so that a
    # turn takes some 70 of an episode's 100 steps; random actions get 15.6. 8 seeds reach 57.7, the
    # worst 52.3; with a gamma of 0.99 four ended at 53.4, where with this one they did at 56.6.
    "Reacher-misc": {
        "env_steps": 60_000,
        "algo": {
            "num_envs": 8, "gradient_steps": 4, "learning_starts": 800, "gamma": 0.95,
            "learning_rate": 1e-3, "learning_rate_final": 0.0, "buffer_size": 60_000,
            "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
    # Random actions get 87; 8 seeds reach 389, the worst 377. With a gamma of 0.97 and a rate that
    # falls to 0 four ended at 387, where without either they did at 392.
    "Swimmer-misc": {
        "env_steps": 50_000,
        "algo": {
            "num_envs": 8, "gradient_steps": 4, "learning_starts": 4_000, "learning_rate": 1e-3,
            "buffer_size": 50_000, "batch_size": 128, "network": {"hidden": [64, 64]},
        },
    },
}  # fmt: skip
