"""The parts that a custom algorithm or environment is made of; `__all__` is the promise.

An algorithm is a function `(config, env, env_params, num_updates, network=None) -> Algorithm`
(docs/extending.md; docs/reinforce.py is a whole one). An environment is a gymnax `Environment`; a
plug-in names its environments in an `EnvFamily`. `iqm` and `ci95` are the statistics over seeds.
"""

from elsinore.algos.common import init_state, learning_rewards, observation_of
from elsinore.algos.dqn import DQNConfig, DQNEquations, dqn
from elsinore.algos.off_policy import OffPolicyConfig, off_policy
from elsinore.algos.off_policy_learner import OffPolicyRule, actor_critics
from elsinore.algos.on_policy import OnPolicyConfig, actor_critic_loss, on_policy
from elsinore.algos.optimise import (
    Learner,
    gradient_step,
    init_learner,
    minibatch_epochs,
    optimiser,
)
from elsinore.algos.ppo import PPOConfig, ppo, ppo_loss
from elsinore.algos.sac import SACConfig, SACEquations, sac
from elsinore.algos.value_based import ValueBasedConfig, action_values, value_based
from elsinore.envs.registry import EnvFamily
from elsinore.envs.scene import Bar, Bars, Facts, Grid, Panel, Scene, Shades, Thing
from elsinore.envs.view import View
from elsinore.envs.wrappers import Wrapper
from elsinore.experience.autoreset import autoreset_step, batched_autoreset_step
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.replay_buffer import ReplayBatch, ReplayBuffer, replay_buffer
from elsinore.experience.rnd import RNDConfig
from elsinore.experience.rollout import init_actor, rollout
from elsinore.hyperparameters import numbers_of, traced
from elsinore.jaxtools.agents import gather_agents
from elsinore.jaxtools.compile_units import compile_unit
from elsinore.jaxtools.prng import for_update, for_use, for_uses
from elsinore.nets.build import actor_critic_network, q_network
from elsinore.nets.config import NetworkConfig, NetworkFamily
from elsinore.nets.heads import action_mask, head_for
from elsinore.nets.network import Network
from elsinore.ops.advantages import bellman, gae, lambda_returns, n_step_return, vtrace
from elsinore.ops.continuous_q import min_over_critics
from elsinore.ops.exploration import best_value, chosen_value
from elsinore.ops.losses import approximate_kl, value_loss
from elsinore.runs.statistics import ci95, iqm
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    EnvStep,
    Mean,
    PolicyFunctions,
    PolicyState,
    TrainState,
    Transition,
)

__all__ = [
    "Actor",
    "Algorithm",
    "Bar",
    "Bars",
    "DQNConfig",
    "DQNEquations",
    "Decision",
    "EnvFamily",
    "EnvStep",
    "Facts",
    "Grid",
    "Learner",
    "Mean",
    "Network",
    "NetworkConfig",
    "NetworkFamily",
    "OffPolicyConfig",
    "OffPolicyRule",
    "OnPolicyConfig",
    "PPOConfig",
    "Panel",
    "PolicyFunctions",
    "PolicyState",
    "RNDConfig",
    "ReplayBatch",
    "ReplayBuffer",
    "SACConfig",
    "SACEquations",
    "Scene",
    "Shades",
    "Thing",
    "TrainState",
    "Transition",
    "ValueBasedConfig",
    "View",
    "Wrapper",
    "action_mask",
    "action_values",
    "actor_critic_loss",
    "actor_critic_network",
    "actor_critics",
    "approximate_kl",
    "autoreset_step",
    "batched_autoreset_step",
    "bellman",
    "best_value",
    "chosen_value",
    "ci95",
    "compile_unit",
    "dqn",
    "for_update",
    "for_use",
    "for_uses",
    "gae",
    "gather_agents",
    "gradient_step",
    "head_for",
    "init_actor",
    "init_learner",
    "init_state",
    "iqm",
    "lambda_returns",
    "learning_rewards",
    "merge_time_and_env",
    "min_over_critics",
    "minibatch_epochs",
    "n_step_return",
    "numbers_of",
    "observation_of",
    "off_policy",
    "on_policy",
    "optimiser",
    "ppo",
    "ppo_loss",
    "q_network",
    "replay_buffer",
    "rollout",
    "sac",
    "traced",
    "value_based",
    "value_loss",
    "vtrace",
]
