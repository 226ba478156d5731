"""Actor and critics: their networks, what learning carries, and the equations that SAC (also for n
actions) and TD3 fill in. `Networks` are those of continuous actions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.algos.common import observation_of
from elsinore.jaxtools.prng import for_uses
from elsinore.nets.build import actor_and_critics
from elsinore.nets.continuous_q import ValueCritics
from elsinore.nets.heads import finite_bounds
from elsinore.nets.network import Network
from elsinore.nets.reparameterised import Actions, ActorHead
from elsinore.ops.continuous_q import scaled_action
from elsinore.ops.schedules import Scalar

CriticValues = Float[Array, "critic batch ..."]
LossMetrics = dict[str, Float[Array, ""]]
Loss = tuple[Float[Array, ""], LossMetrics]  # a loss and its metrics
Value = Float[Array, "batch"]


class ActorCritics(NamedTuple):
    """Parameters, or optimiser states, of an actor and its critics."""

    actor: PyTree
    critics: PyTree


class OffPolicyLearner(NamedTuple):
    """Learner with target networks and a replay buffer."""

    params: ActorCritics
    opt_state: ActorCritics
    target_params: ActorCritics  # the actor is () where targets need none of its own
    buffer: PyTree
    temperature: PyTree = ()  # a `Learner` of SAC's log-temperature


class Networks(NamedTuple):
    """Actor and critics for one env, as functions of normalised observations [batch, ...]."""

    net: Network  # the actor's; its `init` makes `ActorCritics`
    q: Callable[[PyTree, PyTree, Actions], CriticValues]  # Q(s, a) of (critics, obs, action)
    head: ActorHead
    low: Any  # bounds of the env's actions, [action]
    high: Any

    @property
    def num_actions(self) -> int:
        """Dimensions of an action."""
        return len(self.low)

    def policy(self, actor: PyTree, obs: PyTree) -> Any:
        """The distribution, or action, of the actor with these parameters."""
        return self.head.policy(self.net.step(actor, (), obs)[1])

    def env_action(self, action: Actions) -> Actions:
        """From [-1, 1] to the env's bounds."""
        return scaled_action(action, self.low, self.high)

    def like_action(self) -> Float[Array, "action"]:
        """An action, as the buffer stores it."""
        return jnp.zeros(self.num_actions)

    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
        """The noise of actions in learning."""
        return self.head.noise.of_learning(key, shape)

    def exploring_noise(
        self, key: Key[Array, ""], shape: tuple[int, ...], correlation: Scalar
    ) -> Array:
        """The noise of a rollout's actions, [time, env, ...]."""
        return self.head.noise.of_exploring(key, shape, correlation)

    def random_action(self, noise: Array, obs: PyTree) -> Actions:
        """A uniform action, from the noise of exploring."""
        return self.head.noise.uniform(noise)

    def scores(self, actor: PyTree, obs: PyTree, best: Actions) -> dict[str, Array]:
        """`PolicyFunctions.action_scores` of one observation, in a batch of one."""
        return {"mean": self.env_action(best)[0]}


class OffPolicyRule(NamedTuple):
    """The equations of an algorithm. Continuous actions are in [-1, 1], observations normalised,
    [batch, ...], and `noise` is that of the actor's head, [batch, ...].

    `explore(actor, obs, noise, hyper) -> action`; a policy alone has its config for `hyper`.
    `best(actor, obs) -> action`, the greedy one. `next_value(learner, obs, noise, hyper) ->
    [batch]`, or quantiles [batch, quantile], bootstraps. `actor_loss(actor, learner, obs, noise,
    hyper) -> (loss, metrics)`.
    `after_actor(learner, metrics, hyper, optimiser) -> learner` follows each step of the actor.
    """

    explore: Callable[..., Actions]
    best: Callable[..., Actions]
    next_value: Callable[..., Value]
    actor_loss: Callable[..., Loss]
    init_temperature: Callable[..., PyTree] = lambda hyper, optimiser: ()
    after_actor: Callable[..., OffPolicyLearner] = lambda learner, *_: learner
    delay: int = 1  # steps of the critics for each of the actor and of the target networks
    target_actor: bool = False  # targets are computed with an older actor, too


def followed_by_targets(rule: Any, params: ActorCritics) -> ActorCritics:
    """The parameters that target networks follow."""
    return params if rule.target_actor else params._replace(actor=())


def actor_critics(
    config: Any,
    env: Any,
    env_params: PyTree,
    network: Any,
    make_head: Callable[[int], ActorHead],
    quantiles: int = 1,
) -> Networks:
    """The networks of a config for an env with bounded continuous actions; `make_head` makes the
    actor's head for that number of them.

    Raises:
        ValueError: for an action space that is not a bounded Box, or where the network cannot read
            the env's observations.
    """
    low, high = finite_bounds(env.action_space(env_params), config.name)
    head, observation = make_head(len(low)), observation_of(env, env_params)
    actor, critics = actor_and_critics(
        config.network,
        head.num_outputs,
        config.num_critics,
        observation,
        network,
        critic_outputs=quantiles,
        dropout=config.critic_dropout,
        state_noise=bool(head.features),
    )
    net = with_critics(actor, critics, jnp.zeros(len(low)))
    return Networks(net, critics.q, head, low, high)


def with_critics(actor: Network, critics: ValueCritics, action: PyTree) -> Network:
    """The actor, whose `init` makes the parameters of both; `action` is one as the critics take
    it."""

    def init(key: Key[Array, ""], obs: PyTree) -> ActorCritics:
        actor_key, critics_key = for_uses(key, "actor", "critics")
        return ActorCritics(actor.init(actor_key, obs), critics.init(critics_key, obs, action))

    return actor._replace(init=init)
