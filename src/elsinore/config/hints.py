"""Names that other libraries use, and what they are here: hints for refused names."""

import difflib
import re
from collections.abc import Collection

from elsinore.algos.registry import ALGORITHMS, config_type

# A setting's name elsewhere: the setting here, by dotted name.
SETTINGS = {
    "total_timesteps": "env_steps",
    "timesteps": "env_steps",
    "num_timesteps": "env_steps",
    "total_steps": "env_steps",
    "max_steps": "env_steps",
    **{name: name for name in ("env", "env_steps", "seeds", "seed")},  # not below `algo`
    **dict.fromkeys(("episodes", "num_episodes", "max_episodes"), "stop.episodes"),
    "num_seeds": "seeds",
    "n_seeds": "seeds",
    "random_seed": "seed",
    "environment": "env",
    "env_id": "env",
    "env_name": "env",
    "algorithm": "algo",
    "agent": "algo",
    "max_episode_steps": "env_params.max_steps_in_episode",
    "eval_freq": "evaluation.period",
    "eval_episodes": "evaluation.episodes",
    "n_eval_episodes": "evaluation.episodes",
    "lr": "algo.learning_rate",
    "learning_rate_schedule": "algo.learning_rate_final",
    "anneal_lr": "algo.learning_rate_final",
    "discount": "algo.gamma",
    "discount_factor": "algo.gamma",
    "gae": "algo.gae_lambda",
    "lam": "algo.gae_lambda",
    "n_envs": "algo.num_envs",
    "num_workers": "algo.num_envs",
    "n_steps": "algo.rollout_length",
    "num_steps": "algo.rollout_length",
    "unroll_length": "algo.rollout_length",
    "train_freq": "algo.rollout_length",
    "horizon": "algo.rollout_length",
    "n_epochs": "algo.num_epochs",
    "epochs": "algo.num_epochs",
    "update_epochs": "algo.num_epochs",
    "noptepochs": "algo.num_epochs",
    "n_minibatches": "algo.num_minibatches",
    "nminibatches": "algo.num_minibatches",
    "minibatch_size": "algo.num_minibatches",
    "batch_size": "algo.num_minibatches",
    "clip": "algo.clip_eps",
    "clip_range": "algo.clip_eps",
    "clip_coef": "algo.clip_eps",
    "cliprange": "algo.clip_eps",
    "clip_range_vf": "algo.value_clip_eps",
    "clip_vloss": "algo.value_clip_eps",
    "ent": "algo.ent_coef",
    "entropy": "algo.ent_coef",
    "entropy_coef": "algo.ent_coef",
    "entropy_cost": "algo.ent_coef",
    "vf": "algo.vf_coef",
    "value_coef": "algo.vf_coef",
    "critic_coef": "algo.vf_coef",
    "grad_clip": "algo.max_grad_norm",
    "norm_adv": "algo.normalize_advantage",
    "normalize": "algo.normalize_obs",
    "replay_size": "algo.buffer_size",
    "buffer_capacity": "algo.buffer_size",
    "replay_buffer_size": "algo.buffer_size",
    "target_update_interval": "algo.target_period",
    "target_network_frequency": "algo.target_period",
    "exploration_fraction": "algo.epsilon_fraction",
    "exploration_final_eps": "algo.epsilon_final",
    "exploration_initial_eps": "algo.epsilon",
    "start_e": "algo.epsilon",
    "end_e": "algo.epsilon_final",
    "train_start": "algo.learning_starts",
    "hidden": "algo.network.hidden",
    "hidden_size": "algo.network.hidden",
    "hidden_sizes": "algo.network.hidden",
    "hidden_dims": "algo.network.hidden",
    "net_arch": "algo.network.hidden",
    "layers": "algo.network.hidden",
    "activation": "algo.network.activation",
    "activation_fn": "algo.network.activation",
    "lstm": "algo.network.lstm",
    "rnn": "algo.network.gru",
}

# An algorithm's name elsewhere, in small letters without `-` and `_`: the way to it here.
CONTINUOUS = "sac and td3 have continuous actions, as ppo and a2c do"
ALGORITHM_HINTS = {
    **dict.fromkeys(("ddpg", "crossq"), CONTINUOUS),
    "tqc": "it is sac with algo.quantiles=25 and algo.num_critics=5",
    "droq": "it is sac with algo.critic_dropout=0.01 and algo.network.layer_norm=true",
    **dict.fromkeys(("discretesac", "sacd"), "it is sac_discrete"),
    **dict.fromkeys(("impala", "appo", "vtrace"), "ppo with algo.advantage=vtrace is near it"),
    **dict.fromkeys(("r2d2", "drqn", "recurrentdqn"), "it is dqn with algo.network.gru=64"),
    **dict.fromkeys(("trpo", "ppg", "phasic", "apex", "grpo"), "here ppo is near"),
    **dict.fromkeys(("a3c", "acktr", "acer", "vpg"), "a2c is near it"),
    "reinforce": "docs/extending.md has it whole, as an algorithm of your own",
    **dict.fromkeys(("ddqn", "doubledqn"), "it is dqn with algo.double=true"),
    "duelingdqn": "it is dqn with algo.dueling=true",
    "rainbow": "it is dqn with distribution, noisy, double, dueling, n_step and prioritized",
    **dict.fromkeys(("srspr", "bbf", "spr", "der"), "algo=sample_efficient is near it"),
    **dict.fromkeys(("c51", "qrdqn", "iqn"), "it is dqn with algo.distribution=c51, qr or iqn"),
    **dict.fromkeys(
        ("munchausen", "munchausendqn", "mdqn", "miqn"), "it is dqn with algo.munchausen=true"
    ),
    **dict.fromkeys(("noisydqn", "noisynet"), "it is dqn with algo.noisy=true"),
    **dict.fromkeys(("per", "prioritizeddqn", "perdqn"), "it is dqn with algo.prioritized=true"),
    "spo": "it is ppo with algo.surrogate=spo",
    "ippo": "it is ppo with agents.number=2 or more",
    "mappo": "it is ppo with agents.sharing=shared and agents.critic=joint",
    "vdn": "it is dqn or pqn with agents.sharing=shared and agents.mixing=sum",
    **dict.fromkeys(
        ("qmix", "qplex", "coma"),
        "dqn with agents.sharing=shared and agents.mixing=sum (VDN) is near it",
    ),
    **dict.fromkeys(
        ("recurrentppo", "ppolstm", "lstm", "ppornn"),
        "it is ppo with algo.network.lstm=64 or gru=64",
    ),
    **dict.fromkeys(("dreamer", "dreamerv3", "muzero", "mbpo"), "no model-based algorithm is here"),
    **dict.fromkeys(("cql", "iql", "bc", "gail", "her", "dt"), "imitation is here (`imitation`)"),
}


def setting_hint(key: str, path: str, known: Collection[str]) -> str | None:
    """The dotted setting that an unknown one means, or None.

    Args:
        path: the place of the key in the config, such as `algo`; empty at the top.
        known: the settings at that place; one that the key nearly spells has precedence.
    """
    key = key.lower().replace("-", "_")
    if difflib.get_close_matches(key, known, n=1, cutoff=0.9):
        return None
    meant = SETTINGS.get(key, f"algo.{key}" if not path and is_of_algorithm(key) else "")
    place, _, name = meant.rpartition(".")
    return meant if meant and (place != path or name in known) else None


def is_of_algorithm(key: str) -> bool:
    """True for a setting of one of the built-in algorithms."""
    return any(key in config_type(name).__dataclass_fields__ for name in ALGORITHMS)


def algorithm_hint(name: str) -> str | None:
    """A sentence about an algorithm that is elsewhere, or None."""
    return ALGORITHM_HINTS.get(re.sub(r"[-_\s]", "", name).lower())
