"""Actor and critic, or action values, as one flax module.

The interface of a network, built-in or custom: a flax module that takes one observation (no batch
axis) and returns `(outputs, value)`: `num_outputs` numbers for the action head, and a scalar. A
module with a method `initial_carry()` is recurrent: it takes `(carry, obs)` and returns `(carry,
(outputs, value))`. A custom network is given as `"module:name"` or as the object itself, and is
called with `num_outputs` to make the module. Value-based algorithms read `outputs` as action values
and ignore `value`.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import orthogonal

OutputsAndValue = tuple[Float[Array, "outputs"], Float[Array, ""]]


class ActorCritic(nn.Module):
    """Outputs for the action head, and V(s)."""

    encoder: Callable[[], nn.Module]  # builds one trunk
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        actor_trunk = self.encoder()
        critic_trunk = actor_trunk if self.shared else self.encoder()
        return actor_critic_heads(self, actor_trunk(obs), critic_trunk(obs))


class RecurrentActorCritic(nn.Module):
    """`ActorCritic` with a gated recurrent unit (Cho 2014, arXiv:1406.1078) between trunk and
    head."""

    encoder: Callable[[], nn.Module]
    width: int  # of the recurrent layer
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0

    def initial_carry(self) -> tuple[Float[Array, "width"], ...]:
        """Zeros, for each trunk."""
        return (jnp.zeros(self.width),) * (1 if self.shared else 2)

    @nn.compact
    def __call__(self, carry: tuple, obs: PyTree) -> tuple[tuple, OutputsAndValue]:
        after, features = [], []
        for state in carry:
            cell = nn.GRUCell(
                self.width, kernel_init=orthogonal(1.0), recurrent_kernel_init=orthogonal(1.0)
            )
            state, feature = cell(state, self.encoder()(obs))
            after.append(state)
            features.append(feature)
        return tuple(after), actor_critic_heads(self, features[0], features[-1])


def actor_critic_heads(
    net: Any, actor: Float[Array, "features"], critic: Float[Array, "features"]
) -> OutputsAndValue:
    """The layers `policy` and `value`; call it inside `net.__call__`, which gets the parameters."""
    # A small gain makes the initial policy nearly uniform; the critic's is 1 (detail 2 of Huang
    # 2022).
    num_means = net.num_outputs // 2 if net.continuous else net.num_outputs
    outputs = dense(num_means, 0.01, name="policy")(actor)
    # a state-independent standard deviation (detail 2 of its continuous details)
    if net.continuous:
        log_std = net.param("log_std", nn.initializers.constant(net.initial_log_std), (num_means,))
        outputs = jnp.concatenate([outputs, log_std])
    return outputs, dense(1, 1.0, name="value")(critic)[0]


class QNetwork(nn.Module):
    """Q(s, a) of each action, and their maximum.

    `dueling` learns V and the advantages A separately: Q = V + A - mean(A) (Wang 2016,
    arXiv:1511.06581 eq. 9).
    """

    encoder: Callable[[], nn.Module]
    num_outputs: int
    dueling: bool = False

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        features = self.encoder()(obs)
        q = dense(self.num_outputs, 1.0, name="advantage" if self.dueling else "q")(features)
        if self.dueling:
            q = dense(1, 1.0, name="value")(features) + q - jnp.mean(q)
        return q, jnp.max(q)


def check_network(net: Any, num_outputs: int, obs: PyTree) -> None:
    """Check the shapes and types that a custom network returns.

    A value of shape [1] instead of [] would broadcast to [batch, batch] and corrupt the loss
    without an error.

    Raises:
        ValueError: with the required shapes and the network's.
    """
    wanted = f"(outputs [{num_outputs}], value []) for one observation"
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), obs)
    try:
        if hasattr(net, "initial_carry"):
            carry = net.initial_carry()
            wanted = f"(carry, (outputs [{num_outputs}], value [])) for a carry and one observation"
            after, found = jax.eval_shape(
                lambda: net.init_with_output(jax.random.key(0), carry, zeros)[0]
            )
            same = jax.tree.map(
                lambda a, b: (jnp.shape(a), jnp.result_type(a)) == (b.shape, b.dtype), carry, after
            )
            if not all(jax.tree.leaves(same)):
                raise TypeError(f"the carry it returns is {after}, and initial_carry() is {carry}")
        else:
            found = jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), zeros)[0])
        outputs, value = found
        shapes = list(outputs.shape), list(value.shape)
        types = outputs.dtype, value.dtype
    except Exception as error:
        raise ValueError(
            f"network {type(net).__name__} must return {wanted}, and fails: {error}"
        ) from error
    if not all(jnp.issubdtype(dtype, jnp.floating) for dtype in types):
        raise ValueError(
            f"network {type(net).__name__} must return {wanted}, as floats; it returns"
            f" {types[0]} and {types[1]}."
        )
    if shapes != ([num_outputs], []):
        raise ValueError(
            f"network {type(net).__name__} must return {wanted}; it returns {shapes[0]} and"
            f" {shapes[1]}."
        )
