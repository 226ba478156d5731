"""Presets of Nim, by `<algorithm>/<environment>`; see `docs/how-to/self-play.md`."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # With `self_play` 8 of 8 seeds play all 16 winning positions perfectly; without it, against the
    # random player, 15 of them.
    "ppo/Nim": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 64,
            "rollout_length": 32,
            "num_minibatches": 4,
            "num_epochs": 4,
            "learning_rate": 1e-3,
            "ent_coef": 0.01,
        },
    },
    # With `self_play` 8 of 8 seeds play all 16 winning positions perfectly.
    "dqn/Nim": {
        "env_steps": 200_000,
        "algo": {
            "num_envs": 16,
            "rollout_length": 1,
            "gradient_steps": 1,
            "learning_rate": 1e-3,
        },
    },
    "pqn/Nim": {
        "env_steps": 500_000,
        "algo": {
            "num_envs": 64,
            "rollout_length": 32,
            "learning_rate": 1e-3,
        },
    },
}
