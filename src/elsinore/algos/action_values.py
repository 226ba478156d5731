"""What algorithms share that learn what each action is worth: a network of action values, and acting by it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.algos.experience import gather, observation_of
from elsinore.experience.normalisation import normalise_obs
from elsinore.nets.build import q_network
from elsinore.nets.heads import action_mask
from elsinore.nets.network import Network
from elsinore.ops.exploration import best_action, best_value, epsilon_greedy, exploration_noise, legal_values
from elsinore.ops.randomness import for_use
from elsinore.types import Acting, Decision, Mean, TrainState, Transition


class ActionValues(NamedTuple):
    """For one env, functions that close over its network.

    `q(params, obs) -> [batch, action]`, and `legal(obs)`, of normalised observations [batch, ...];
    `live(state, act_key, rollout_key, epsilon) -> (state, Transition, metrics)`, one epsilon-greedy rollout;
    `act`, `value` and `preferences` as in `Algorithm`.
    """

    net: Network
    q: Callable[[PyTree, PyTree], Float[Array, "batch action"]]
    live: Callable[..., tuple[TrainState, Transition, dict[str, Mean]]]
    act: Callable[..., tuple[Array, tuple]]
    value: Callable[..., Array]
    preferences: Callable[..., dict[str, Array]]


def action_values(config: Any, env: Any, env_params: Any, custom: Any = None, dueling: bool = False) -> ActionValues:
    """`config` has `num_envs`, `rollout_length`, `network`, `epsilon_final`, and what `begin_state` reads.

    Raises:
        ValueError: for actions that are not one of n, or where the network cannot read the env's observations.
    """
    space = env.action_space(env_params)
    if type(space).__name__ != "Discrete":
        raise ValueError(
            f"algo={config.name!r} learns what each of n actions is worth, and this environment's actions are "
            f"{type(space).__name__}; use algo: ppo or a2c."
        )
    num_actions = int(space.n)
    net = q_network(config.network, num_actions, observation_of(env, env_params), dueling, custom)

    def q(params, obs):
        return net.step(params, (), obs)[1]

    def live(state: TrainState, act_key: Key[Array, ""], rollout_key, epsilon):
        def policy(noise, memory, obs) -> Decision:
            seen = normalise_obs(state.stats, obs)
            action = epsilon_greedy(q(state.learner.params, seen), action_mask(seen), noise, epsilon)
            return Decision(action, action, ())

        noise = exploration_noise(act_key, (config.rollout_length, config.num_envs), num_actions)
        return gather(config, env, state, policy, rollout_key, noise)

    def one(acting: Acting, obs) -> tuple[Float[Array, "1 action"], Bool[Array, "1 action"] | None]:
        seen = jax.tree.map(lambda x: jnp.asarray(x)[None], normalise_obs(acting.stats, obs))
        return q(acting.params, seen), action_mask(seen)

    def act(key, acting: Acting, memory, obs, greedy: bool):
        """The best action for one observation, or an epsilon-greedy one at the end of exploration's schedule."""
        values, legal = one(acting, obs)
        if greedy:
            return best_action(values, legal)[0], memory
        noise = exploration_noise(for_use(key, "act"), (1,), num_actions)
        return epsilon_greedy(values, legal, noise, config.epsilon_final)[0], memory

    def value(acting: Acting, memory, obs):
        return best_value(*one(acting, obs))[0]

    def preferences(acting: Acting, memory, obs):
        return {"action value": legal_values(*one(acting, obs))[0]}

    return ActionValues(net, q, live, act, value, preferences)
