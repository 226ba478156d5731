"""Acting with an actor-critic network: in a rollout, and alone."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.experience.normalisation import Normalisers, normalise_obs, unscaled
from elsinore.jaxtools.prng import for_use
from elsinore.nets.distributions import Distribution
from elsinore.nets.heads import Head
from elsinore.nets.network import Network
from elsinore.types import Decision, PolicyFunctions, PolicyState

View = Callable[[PyTree], PyTree]  # from observations to what the network reads of them


def decide(
    net: Network,
    head: Head,
    params: PyTree,
    stats: Normalisers,
    noise: PyTree,
    carry: PyTree,
    obs: PyTree,
    view: View,
) -> Decision:
    """Sampled actions, [env, ...], with their log-probabilities, [env]; `obs`, `carry` and `noise`
    are [env, ...]."""
    obs = view(normalise_obs(stats, obs))
    carry, outputs, _ = net.step(params, carry, obs)
    distribution = head.distribution(outputs, obs)
    action = distribution.sample(noise)
    return Decision(action, head.env_action(action), distribution.log_prob(action), carry)


def actor_critic_policy(net: Network, head: Head, valued: bool = True) -> PolicyFunctions:
    """The policy of an actor-critic network; without a value where the critic reads more than it
    is given here."""

    def one(
        policy_state: PolicyState, carry: PyTree, obs: PyTree
    ) -> tuple[PyTree, Distribution, Float[Array, ""]]:
        """Carry [...], distribution [1, ...] and value [] for one observation."""
        obs, carry = jax.tree.map(
            lambda x: jnp.asarray(x)[None], (normalise_obs(policy_state.stats, obs), carry)
        )
        carry, outputs, value = net.step(policy_state.params, carry, obs)
        return jax.tree.map(lambda x: x[0], carry), head.distribution(outputs, obs), value[0]

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Array, PyTree]:
        """The mode of the distribution, or a sample."""
        carry, distribution, _ = one(policy_state, carry, obs)
        if greedy:
            action = distribution.mode()
        else:
            action = distribution.sample(head.noise(for_use(key, "act"), (1,)))
        return head.env_action(action)[0], carry

    def value(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> Float[Array, ""]:
        return unscaled(policy_state.stats, one(policy_state, carry, obs)[2])

    def action_scores(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> dict[str, Array]:
        return jax.tree.map(lambda x: x[0], one(policy_state, carry, obs)[1].action_scores())

    return PolicyFunctions(act, net.initial_carry, value if valued else None, action_scores)
