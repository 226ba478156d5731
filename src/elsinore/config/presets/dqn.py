"""What DQN is run with, by environment."""

from typing import Any

from elsinore.config.presets.minatar import in_each_game


def _life(low: list[float], high: list[float]) -> dict[str, Any]:
    """Hamlet in as few episodes as we know how: a gradient step for every env step, five rewards in each target, and
    short and poor lives, with meters from `low` to `high`, before whole days."""
    poor = {"random_start_share": 1.0, "start_low": low, "start_high": high, "max_steps_in_episode": 60}
    return {
        "env_kwargs": {"observation": "one_hot", "reward": {"sparse": 1.0}},
        "env_steps": 120_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 8, "n_step": 5, "double": True, "dueling": True,
            "buffer_size": 100_000, "learning_rate": 5e-4, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.02,
            "epsilon_final": 0.01, "epsilon_fraction": 0.2, "normalize_obs": True,
            "network": {"hidden": [64, 64], "activation": "tanh", "layer_norm": True},
        },
        "curriculum": {"stages": [
            {"name": "short and poor", "params": poor | {"reward_weights": [0.01]},
             "advance_when": {"metric": "steps", "above": 30_000}},
            {"name": "whole days", "params": {"random_start_share": 0.8, "reward_weights": [0.01]}},
        ]},
    }  # fmt: skip


PRESETS: dict[str, dict[str, Any]] = {
    # Targets that follow slowly, 3 steps, and a memory of the last fifth of the run. With a copy every 200 steps seeds
    # end at 434 to 491, with a memory of the whole run at 474 to 494, with rectified units at 456.
    "CartPole-v1": {
        "env_steps": 50_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3, "learning_rate": 1e-3,
            "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05, "epsilon_final": 0.04,
            "epsilon_fraction": 0.2, "network": {"hidden": [64, 64], "activation": "tanh"},
        },
        "convergence": {"target": 490.0, "window": 4, "patience": 2},
    },
    # Layer normalisation and normalised observations were worth 3 to 5 steps an episode, twice the width 8 to 10.
    "Acrobot-v1": {
        "env_steps": 100_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 4, "n_step": 3, "prioritized": True,
            "buffer_size": 50_000, "learning_rate": 1e-3, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.05,
            "epsilon_fraction": 0.12, "normalize_obs": True,
            "network": {"hidden": [128, 128], "activation": "tanh", "layer_norm": True},
        },
    },
    # Normalised observations and tanh: without either most seeds never see the hill's top. A gradient step for every
    # env step, layer normalisation, and little exploring: with an epsilon_fraction of 0.4 G is -105, with 0.6 -133, 3
    # of 16 seeds at the bottom (as with 0.4 and no normalisation). Targets that follow faster, or more rewards in them,
    # lose more.
    "MountainCar-v0": {
        "env_steps": 120_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 8, "n_step": 5, "buffer_size": 50_000,
            "gamma": 0.98, "learning_rate": 1e-3, "learning_rate_final": 0.0, "target_period": 8, "tau": 0.02,
            "epsilon_fraction": 0.2, "normalize_obs": True,
            "network": {"hidden": [64, 64], "activation": "tanh", "layer_norm": True},
        },
    },
    "Catch-bsuite": {
        "env_steps": 40_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3, "target_period": 400,
            "epsilon_final": 0.02, "buffer_size": 20_000, "network": {"hidden": [64, 64], "activation": "tanh"},
        },
    },
    # As for PPO, a reward for what is new.
    "DeepSea-bsuite": {
        "env_steps": 150_000,
        "algo": {
            "num_envs": 4, "rollout_length": 2, "gradient_steps": 2, "learning_rate": 1e-3, "target_period": 400,
            "epsilon_final": 0.02, "buffer_size": 20_000, "network": {"hidden": [64, 64], "activation": "tanh"},
            "rnd": {"weight": 0.1, "hidden": [64], "features": 32, "learning_rate": 1e-3},
        },
    },
    # Rewards spread from -10 to 5, mostly by what no action could change: eight steps of them, and no long future.
    # Returns of 206 and 212 with two seeds; with five steps, gamma 0.97 and half as long, 165 and 179.
    "Cache-api": {
        "env_steps": 1_000_000,
        "algo": {
            "num_envs": 32, "rollout_length": 2, "gradient_steps": 2, "n_step": 8, "double": True, "dueling": True,
            "buffer_size": 200_000, "batch_size": 128, "learning_starts": 10_000, "learning_rate": 5e-4,
            "learning_rate_final": 0.0, "gamma": 0.95, "target_period": 64, "tau": 0.01, "epsilon_final": 0.02,
            "epsilon_fraction": 0.2, "loss": "huber", "normalize_obs": True, "normalize_rewards": True,
            "network": {"hidden": [128, 64], "activation": "tanh"},
        },
    },
    # All of 8 seeds live 500 of 500 steps in some evaluation, and 7 of 8 in the last, within 862 episodes of classic4;
    # with half as many short lives 4 of 8 do. PPO needs 49,000 episodes.
    "Hamlet-classic4": _life([30, 30, 30, 0], [100, 100, 100, 30]),
    "Hamlet-base6": _life([30, 30, 30, 0, 0, 0], [100, 100, 100, 30, 100, 100]),
    # MinAtar's games with one gradient step for every 8 env steps, sampled: Breakout 20.3 (8 seeds; greedily 24.7),
    # SpaceInvaders 102, Freeway 50, Asterix 2.4 (two seeds), where PPO at this budget has 8.0, 62, 36 and 2.0.
    **in_each_game({
        "env_steps": 500_000,
        "algo": {
            "num_envs": 8, "rollout_length": 4, "gradient_steps": 4, "n_step": 3, "double": True,
            "buffer_size": 50_000, "batch_size": 64, "learning_rate": 5e-4, "learning_rate_final": 0.0,
            "target_period": 32, "tau": 0.02, "epsilon_fraction": 0.1, "epsilon_final": 0.02,
            "network": {"hidden": [128], "activation": "relu", "layer_norm": True},
        },
    }),
    "Balatro-stage0": {
        "env_kwargs": {"play_scores": True},
        "env_params": {"max_ante": 1},
        "env_steps": 1_000_000,
        "evaluation": {"episodes": 64},
        "algo": {
            "num_envs": 64, "rollout_length": 1, "gradient_steps": 1, "n_step": 3, "double": True,
            "buffer_size": 50_000, "batch_size": 128, "learning_rate": 1e-3, "learning_rate_final": 0.0,
            "gamma": 1.0, "target_period": 64, "tau": 0.01, "epsilon_fraction": 0.2, "epsilon_final": 0.02,
            "network": {"encoder": "cards", "hidden": [128, 128], "activation": "relu"},
        },
    },
}  # fmt: skip
