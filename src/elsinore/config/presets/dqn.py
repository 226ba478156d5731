"""What DQN is run with, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3, "target_period": 400,
            "epsilon_final": 0.02, "buffer_size": 20_000, "network": {"hidden": [64, 64]},
        },
    },
}  # fmt: skip
