"""Presets of DQN, by environment."""

from typing import Any

from elsinore.config.presets.minatar import in_each_game

PRESETS: dict[str, dict[str, Any]] = {
    # Slow target updates, 3 steps, and a buffer of the whole run: with one of 10,000, which once
    # forgot how poles fall, seeds end as low as 136 after four times these steps. With a copy every
    # 200 steps seeds end at 434 to 491, with ReLU at 456, with the Huber loss at 67.
    "CartPole-v1": {
        "env_steps": 50_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3,
            "learning_rate": 1e-3, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05,
            "epsilon_final": 0.04, "epsilon_fraction": 0.2, "buffer_size": 50_000,
            "network": {"hidden": [64, 64], "activation": "tanh"},
        },
        "convergence": {"target": 490.0, "window": 4, "patience": 2},
    },
    # Layer normalisation and normalised observations were worth 3 to 5 steps an episode, twice the
    # width 8 to 10.
    "Acrobot-v1": {
        "env_steps": 100_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3,
            "prioritized": True, "buffer_size": 50_000, "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05, "epsilon_fraction": 0.12,
            "normalize_obs": True,
            "network": {"hidden": [128, 128], "activation": "tanh", "layer_norm": True},
        },
    },
    # Normalised observations and tanh: without either most seeds never see the hill's top. A
    # gradient step for every env step, layer normalisation, and little exploring: first values of 0
    # are optimistic where every reward is -1, and lead to the top, which random actions hardly ever
    # reach. With an epsilon of 1 at first the buffer holds failures alone before long, and after
    # four times these steps 7 of 8 seeds are at the bottom for good. Targets that follow faster, or
    # more rewards in them, lose more.
    "MountainCar-v0": {
        "env_steps": 120_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 8, "n_step": 5,
            "buffer_size": 50_000, "gamma": 0.98, "learning_rate": 1e-3, "learning_rate_final": 0.0,
            "target_period": 8, "tau": 0.02, "epsilon": 0.2, "epsilon_fraction": 0.2,
            "normalize_obs": True,
            "network": {"hidden": [64, 64], "activation": "tanh", "layer_norm": True},
        },
    },
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3,
            "target_period": 400, "epsilon_final": 0.02, "buffer_size": 20_000,
            "network": {"hidden": [64, 64], "activation": "tanh"},
        },
    },
    # The RND bonus, as for PPO.
    "DeepSea-bsuite": {
        "env_steps": 150_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3,
            "target_period": 400, "epsilon_final": 0.02, "buffer_size": 20_000,
            "network": {"hidden": [64, 64], "activation": "tanh"},
            "rnd": {"weight": 0.1, "hidden": [64], "features": 32, "learning_rate": 1e-3},
        },
    },
    # MinAtar's games with one gradient step for every 8 env steps, sampled: Breakout 20.3 (8 seeds;
    # greedily 24.7), SpaceInvaders 102, Freeway 50, Asterix 2.4 (two seeds), where PPO at this
    # budget has 18, 62, 36 and 2.0.
    **in_each_game({
        "env_steps": 500_000,
        "algo": {
            "num_envs": 8, "rollout_length": 4, "gradient_steps": 4, "n_step": 3, "double": True,
            "buffer_size": 50_000, "batch_size": 64, "learning_rate": 5e-4,
            "learning_rate_final": 0.0, "target_period": 32, "tau": 0.02, "epsilon_fraction": 0.1,
            "epsilon_final": 0.02,
            "network": {"hidden": [128], "activation": "relu", "layer_norm": True},
        },
    }),
}  # fmt: skip
