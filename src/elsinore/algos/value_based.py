"""The frame of DQN and PQN: action values, an epsilon-greedy rollout, then learning."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.common import (
    LearningConfig,
    RolloutData,
    algorithm_from,
    observation_of,
)
from elsinore.algos.optimise import OPTIMISERS, Learner, init_learner, optimiser
from elsinore.algos.return_distributions import ExpectedReturn
from elsinore.algos.sequences import Sequences, outputs_of
from elsinore.config_records import inherited, settings
from elsinore.experience.normalisation import normalise_obs, unscaled
from elsinore.hyperparameters import traced
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_use, split
from elsinore.nets.build import q_network
from elsinore.nets.heads import action_mask, discrete_actions
from elsinore.nets.network import Network
from elsinore.nets.noisy import perturbed, with_noise
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

    rollout_length: int = inherited()
    epsilon: float = traced(1.0)  # Initial probability of a random action.
    epsilon_final: float = traced(0.05)  # Final probability of a random action.
    epsilon_fraction: float = traced(0.5)  # Share of the run in which epsilon falls.
    optimiser: str = "adam"  # adam | rmsprop | radam: the optimiser of the gradient step.
    optimiser_eps: float = 1e-8  # Its epsilon, which bounds the step of small gradients.
    max_grad_norm: float = traced(10.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.in_unit_interval(self, "epsilon", "epsilon_final")
        validation.positive(self, "optimiser_eps", "epsilon_fraction")
        validation.one_of(self, "optimiser", *OPTIMISERS)


class ActionValues(NamedTuple):
    """A network of action values for one env."""

    net: Network
    num_actions: int
    returns: ExpectedReturn = ExpectedReturn()
    noisy: bool = False
    burn_in: int = 0  # steps of a sequence that are not learnt

    def q(self, params: PyTree, obs: PyTree | Sequences) -> Float[Array, "batch action"]:
        """Q(s, a) of normalised observations [batch, ...]: the mean of its distribution."""
        if isinstance(obs, Sequences):
            return self.returns.mean(self.z(params, obs, ()))
        return self.step(params, (), obs)[1]

    def step(
        self, params: PyTree, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Float[Array, "batch action"]]:
        """`q`, and the carry after it, where the network has a memory."""
        fractions = self.returns.fractions(None, len(jax.tree.leaves(obs)[0]))
        carry, outputs, _ = self.net.step(params, carry, self.returns.inputs(obs, fractions))
        return carry, self.returns.mean(self.returns.by_action(outputs))

    def z(
        self, params: PyTree, obs: PyTree | Sequences, fractions: Any
    ) -> Float[Array, "batch action"] | Float[Array, "batch action number"]:
        """The numbers of the distribution of each action's return; Q(s, a) without one."""
        if isinstance(obs, Sequences):
            outputs = outputs_of(self.net, params, obs, self.burn_in)
        else:
            outputs = self.net.step(params, (), self.returns.inputs(obs, fractions))[1]
        return self.returns.by_action(outputs)

    def legal(self, obs: PyTree | Sequences) -> Bool[Array, "batch action"] | None:
        """Legal actions of the observations that are valued."""
        return action_mask(obs.valued() if isinstance(obs, Sequences) else obs)

    def drawn(self, params: PyTree, key: Key[Array, ""]) -> PyTree:
        """Parameters with a draw of their noise, where they have one."""
        return perturbed(params, key) if self.noisy else params

    def explored(
        self, params: PyTree, carry: PyTree, obs: PyTree, keys: PyTree
    ) -> tuple[PyTree, Float[Array, "batch action"]]:
        """`step` with a draw of its own for each observation."""
        if not self.noisy:
            return self.step(params, carry, obs)
        one = lambda key, *inputs: self.step(self.drawn(params, key), *inputs)  # noqa: E731
        rows = jax.tree.map(lambda x: x[:, None], (carry, obs))
        return jax.tree.map(lambda x: x[:, 0], jax.vmap(one)(keys, *rows))


def action_values(
    config: Any,
    env: Any,
    env_params: PyTree,
    network: Any = None,
    dueling: bool = False,
    returns: ExpectedReturn = ExpectedReturn(),  # noqa: B008, frozen
    noisy_std: float | None = None,
) -> ActionValues:
    """The action values of `config.network`, or of a custom network.

    Its weights have noise of the deviation `noisy_std` at first; None: no noise.

    Raises:
        ValueError: for an action space that is not discrete, or where the network cannot read the
            env's observations.
    """
    space = env.action_space(env_params)
    num_actions = discrete_actions(space, config.name, "the value of each of n actions")
    observation = observation_of(env, env_params)
    net = q_network(
        config.network,
        num_actions,
        observation,
        dueling,
        network,
        per_action=returns.per_action,
        implicit=returns.implicit,
        recurrent=True,
    )
    noisy = noisy_std is not None
    net = with_noise(net, noisy_std) if noisy else net
    return ActionValues(net, num_actions, returns, noisy)


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

    def begin(hyper: Any, params: PyTree, actor: Actor) -> Any:
        return init_learner(params, actor, optimiser_of(hyper))

    def prepare(state: TrainState, key: Key[Array, ""]) -> tuple[tuple, PyTree]:
        progress = state.update / state.hyper.num_updates
        hyper = anneal(state.hyper, progress, "learning_rate")
        explore = jnp.float32(0.0) if values.noisy else epsilon(hyper, progress, state.learner)
        size = (config.rollout_length, config.num_envs)
        draw = shards.per_shard(lambda key: exploration_noise(key, size, values.num_actions))
        uniform = draw(key)
        noise = uniform, split(for_use(key, "weights"), size) if values.noisy else ()
        return (hyper, explore), noise

    def decide(
        before: TrainState, context: tuple, noise: tuple[Array, PyTree], carry: PyTree, obs: PyTree
    ) -> Decision:
        """Epsilon-greedy actions, [env], of observations [env, ...]."""
        obs, (uniform, keys), (_, explore) = normalise_obs(before.stats, obs), noise, context
        carry, q = values.explored(before.learner.params, carry, obs, keys)
        action = epsilon_greedy(q, action_mask(obs), uniform, explore)
        return Decision(action, action, (), carry)

    def learn_rollout(
        key: Key[Array, ""],
        before: TrainState,
        state: TrainState,
        experience: Transition,
        context: tuple,
    ) -> tuple[Any, dict[str, Mean]]:
        hyper, explore = context
        data = RolloutData(experience, before, hyper, optimiser_of(hyper), state)
        learner, loss_metrics = learn(key, state.learner, data)
        schedules = {"epsilon": explore, "learning_rate": hyper.learning_rate}
        metrics = {f"schedule/{name}": Mean.of(x) for name, x in schedules.items()}
        return learner, loss_metrics | metrics

    return algorithm_from(
        config,
        env,
        values.net,
        num_updates,
        uses=("act", "rollout", learn_key),
        init_learner=begin,
        prepare=prepare,
        decide=decide,
        learn=learn_rollout,
        policy=value_policy(values, 0.0 if values.noisy else config.epsilon_final),
    )


def value_policy(values: ActionValues, epsilon: float) -> PolicyFunctions:
    """The greedy policy of action values; when not greedy, with probability `epsilon` a random
    action, or the best by a draw of noisy weights."""

    def one(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Float[Array, "1 action"], Bool[Array, "1 action"] | None]:
        """Carry, action values and mask for one observation, in a batch of one."""
        obs, carry = jax.tree.map(
            lambda x: jnp.asarray(x)[None], (normalise_obs(policy_state.stats, obs), carry)
        )
        carry, q = values.step(policy_state.params, carry, obs)
        return jax.tree.map(lambda x: x[0], carry), q, action_mask(obs)

    def explore(
        key: Key[Array, ""],
        policy_state: PolicyState,
        carry: PyTree,
        obs: PyTree,
        epsilon: float | Float[Array, ""],
    ) -> tuple[Int[Array, ""], PyTree]:
        drawn = values.drawn(policy_state.params, for_use(key, "weights"))
        carry, q, legal = one(policy_state._replace(params=drawn), carry, obs)
        noise = exploration_noise(for_use(key, "act"), (1,), values.num_actions)
        return epsilon_greedy(q, legal, noise, epsilon)[0], carry

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Int[Array, ""], PyTree]:
        if not greedy:
            return explore(key, policy_state, carry, obs, epsilon)
        carry, q, legal = one(policy_state, carry, obs)
        return best_action(q, legal)[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        return unscaled(policy_state.stats, best_value(*one(policy_state, carry, obs)[1:])[0])

    def action_scores(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> dict[str, Float[Array, "action"]]:
        values = legal_values(*one(policy_state, carry, obs)[1:])[0]
        return {"action value": unscaled(policy_state.stats, values)}

    return PolicyFunctions(act, values.net.initial_carry, value, action_scores, explore)
