"""Actor and critics of continuous actions: their networks, what learning carries, and the equations
that SAC and TD3 fill in."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.algos.common import observation_of
from elsinore.jaxtools.prng import for_uses
from elsinore.nets.build import actor_and_critics
from elsinore.nets.heads import finite_bounds
from elsinore.nets.network import Network
from elsinore.ops.continuous_q import scaled_action

Values = Float[Array, "critic batch"]
Actions = Float[Array, "*batch action"]
Metrics = dict[str, Float[Array, ""]]


class ActorCritics(NamedTuple):
    """Parameters, or optimiser states, of an actor and its critics."""

    actor: PyTree
    critics: PyTree


class ContinuousQLearner(NamedTuple):
    """Learner with target networks and a replay buffer."""

    params: ActorCritics
    opt_state: ActorCritics
    target_params: ActorCritics  # the actor is () where targets need none of its own
    buffer: PyTree
    temperature: PyTree = ()  # a `Learner` of SAC's log-temperature


class Networks(NamedTuple):
    """Actor and critics for one env, as functions of normalised observations [batch, ...]."""

    net: Network  # the actor's; its `init` makes `ActorCritics`
    q: Callable[[PyTree, PyTree, Actions], Values]  # Q(s, a) of (critics, obs, action)
    low: Any  # bounds of the env's actions, [action]
    high: Any

    @property
    def num_actions(self) -> int:
        """Dimensions of an action."""
        return len(self.low)

    def outputs(self, actor: PyTree, obs: PyTree) -> Float[Array, "batch outputs"]:
        """Outputs of the actor with these parameters."""
        return self.net.step(actor, (), obs)[1]

    def env_action(self, action: Actions) -> Actions:
        """From [-1, 1] to the env's bounds."""
        return scaled_action(action, self.low, self.high)


class ContinuousQRule(NamedTuple):
    """The equations of an algorithm. Actions are in [-1, 1], observations normalised, [batch, ...],
    and `noise` is standard normal, [batch, action].

    `explore(actor, obs, noise, numbers) -> action`, `numbers` being the traced ones or the config;
    `best(actor, obs) -> action`, the greedy one. `next_value(learner, obs, noise, hyper) ->
    [batch]` bootstraps. `actor_loss(actor, learner, obs, noise, hyper) -> (loss, metrics)`.
    `after_actor(learner, metrics, hyper, optimiser) -> learner` follows each step of the actor.
    """

    explore: Callable[..., Actions]
    best: Callable[..., Actions]
    next_value: Callable[..., Float[Array, "batch"]]
    actor_loss: Callable[..., tuple[Float[Array, ""], Metrics]]
    init_temperature: Callable[..., PyTree] = lambda hyper, optimiser: ()
    after_actor: Callable[..., ContinuousQLearner] = lambda learner, *_: learner
    delay: int = 1  # steps of the critics for each of the actor and of the target networks
    target_actor: bool = False  # targets are computed with an older actor, too

    def followed(self, params: ActorCritics) -> ActorCritics:
        """The parameters that target networks follow."""
        return params if self.target_actor else params._replace(actor=())


def actor_critics(
    config: Any, env: Any, env_params: PyTree, network: Any, outputs_per_action: int
) -> Networks:
    """The networks of a config for an env with bounded continuous actions.

    Raises:
        ValueError: for another action space, or where the networks cannot be built.
    """
    low, high = finite_bounds(env.action_space(env_params), config.name)
    observation = observation_of(env, env_params)
    actor, critics = actor_and_critics(
        config.network, len(low) * outputs_per_action, config.num_critics, observation, network
    )

    def init(key: Key[Array, ""], obs: PyTree) -> ActorCritics:
        actor_key, critics_key = for_uses(key, "actor", "critics")
        return ActorCritics(
            actor.init(actor_key, obs), critics.init(critics_key, obs, jnp.zeros(len(low)))
        )

    return Networks(actor._replace(init=init), critics.q, low, high)
