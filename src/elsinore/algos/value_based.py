"""The frame of DQN and PQN: action values, an epsilon-greedy rollout, then learning."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.common import LearningConfig, collect, init_state, observation_of
from elsinore.algos.optimise import OPTIMISERS, Learner, init_learner, optimiser
from elsinore.experience.normalisation import normalise_obs
from elsinore.hyperparameters import numbers_of, settings, traced
from elsinore.jaxtools.prng import for_update, for_use, for_uses
from elsinore.nets.build import q_network
from elsinore.nets.heads import action_mask
from elsinore.nets.network import Network
from elsinore.ops.exploration import (
    best_action,
    best_value,
    epsilon_greedy,
    exploration_noise,
    legal_values,
)
from elsinore.ops.schedules import anneal, linear
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    Mean,
    PolicyFunctions,
    PolicyState,
    TrainState,
    Transition,
)


@settings
class ValueBasedConfig(LearningConfig):
    """Settings of the algorithms that learn action values."""

    rollout_length: int = 1
    epsilon: float = traced(1.0)  # Initial probability of a random action.
    epsilon_final: float = traced(0.05)  # Final probability of a random action.
    epsilon_fraction: float = traced(0.5)  # Share of the run in which epsilon falls.
    optimiser: str = "adam"  # adam | rmsprop | radam: the optimiser of the gradient step.
    optimiser_eps: float = 1e-8  # Its epsilon, which bounds the step of small gradients.
    max_grad_norm: float = traced(10.0)

    def __post_init__(self):
        super().__post_init__()
        validation.in_unit_interval(self, "epsilon", "epsilon_final")
        validation.positive(self, "optimiser_eps", "epsilon_fraction")
        validation.one_of(self, "optimiser", *OPTIMISERS)


class RolloutData(NamedTuple):
    """One rollout, and what learning from it needs."""

    experience: Transition  # [time, env, ...]
    before: TrainState  # of before the rollout
    hyper: Any
    optimiser: optax.GradientTransformation


class ActionValues(NamedTuple):
    """A network of action values for one env."""

    net: Network
    num_actions: int

    def q(self, params: PyTree, obs: PyTree) -> Float[Array, "batch action"]:
        """Q(s, a) of normalised observations [batch, ...]."""
        return self.net.step(params, (), obs)[1]


def action_values(
    config: Any, env: Any, env_params: PyTree, network: Any = None, dueling: bool = False
) -> ActionValues:
    """The action values of `config.network`, or of a custom network.

    Raises:
        ValueError: for an action space that is not discrete, or where the network cannot read the
            env's observations.
    """
    space = env.action_space(env_params)
    if (kind := type(space).__name__) != "Discrete":
        others = "sac, td3, ppo or a2c" if kind == "Box" else "ppo or a2c"
        raise ValueError(
            f"algo={config.name!r} learns the value of each of n actions, and this environment's"
            f" action space is {kind}; use algo: {others}."
        )
    observation, num_actions = observation_of(env, env_params), int(space.n)
    net = q_network(config.network, num_actions, observation, dueling, network)
    return ActionValues(net, num_actions)


def parameters_only(
    params: PyTree, actor: Actor, optimiser: optax.GradientTransformation
) -> Learner:
    """Learner of an algorithm that keeps nothing but parameters."""
    return init_learner(params, optimiser)


def linear_epsilon(hyper: Any, progress: Float[Array, ""], learner: Any) -> Float[Array, ""]:
    """From `epsilon` to `epsilon_final` over `epsilon_fraction` of the run."""
    return linear(hyper.epsilon, hyper.epsilon_final, progress / hyper.epsilon_fraction)


def value_based(
    config: Any,
    env: Any,
    num_updates: int,
    values: ActionValues,
    *,
    learn: Callable[..., tuple[Any, dict[str, Mean]]],
    learn_key: str,
    init_learner: Callable[..., Any] = parameters_only,
    epsilon: Callable[..., Float[Array, ""]] = linear_epsilon,
) -> Algorithm:
    """An algorithm of action values, made of what is its own:

    `learn(key, learner, data) -> (learner, metrics)`, with `data` the `RolloutData`;
    `init_learner(params, actor, optimiser)`; `epsilon(hyper, progress, learner)`, the probability
    of a random action. `learn_key` names the randomness of learning. `config` is a
    `ValueBasedConfig`, or has the fields that are read.
    """

    def optimiser_of(hyper: Any) -> optax.GradientTransformation:
        return optimiser(config.optimiser, config.optimiser_eps, hyper.max_grad_norm)

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        def learner(params: PyTree, actor: Actor) -> Any:
            return init_learner(params, actor, optimiser_of(hyper))

        return init_state(config, env, values.net, learner, key, env_params, hyper)

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One epsilon-greedy rollout, and all the learning from it."""
        before, progress = state, state.update / state.hyper.num_updates
        hyper = anneal(state.hyper, progress, "learning_rate")
        act_key, rollout_key, key = for_uses(
            for_update(state.key, state.update), "act", "rollout", learn_key
        )
        explore = epsilon(hyper, progress, state.learner)

        def policy(noise: Float[Array, "env noise"], carry: PyTree, obs: PyTree) -> Decision:
            obs = normalise_obs(before.stats, obs)
            q = values.q(before.learner.params, obs)
            action = epsilon_greedy(q, action_mask(obs), noise, explore)
            return Decision(action, action, ())

        size = (config.rollout_length, config.num_envs)
        noise = exploration_noise(act_key, size, values.num_actions)
        state, experience, rollout_metrics = collect(config, env, state, policy, rollout_key, noise)
        data = RolloutData(experience, before, hyper, optimiser_of(hyper))
        learner, loss_metrics = learn(key, state.learner, data)
        schedules = {"epsilon": explore, "learning_rate": hyper.learning_rate}
        metrics = {f"schedule/{name}": Mean.of(x) for name, x in schedules.items()}
        state = state._replace(update=state.update + 1, learner=learner)
        return state, rollout_metrics | loss_metrics | metrics

    steps = config.num_envs * config.rollout_length
    hyper = numbers_of(config, num_updates=num_updates)
    return Algorithm(init, update, value_policy(values, config.epsilon_final), hyper, steps)


def value_policy(values: ActionValues, epsilon: float) -> PolicyFunctions:
    """The greedy policy of action values, or with probability `epsilon` a random action."""

    def one(
        policy_state: PolicyState, obs: PyTree
    ) -> tuple[Float[Array, "1 action"], Bool[Array, "1 action"] | None]:
        """Action values and mask for one observation, in a batch of one."""
        obs = jax.tree.map(lambda x: jnp.asarray(x)[None], normalise_obs(policy_state.stats, obs))
        return values.q(policy_state.params, obs), action_mask(obs)

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Int[Array, ""], PyTree]:
        q, legal = one(policy_state, obs)
        if greedy:
            return best_action(q, legal)[0], carry
        noise = exploration_noise(for_use(key, "act"), (1,), values.num_actions)
        return epsilon_greedy(q, legal, noise, epsilon)[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        return best_value(*one(policy_state, obs))[0]

    def action_scores(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> dict[str, Float[Array, "action"]]:
        return {"action value": legal_values(*one(policy_state, obs))[0]}

    return PolicyFunctions(act, (), value, action_scores)
