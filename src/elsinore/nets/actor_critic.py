"""The policy and its critic as one flax module.

The contract of a network, ours or a user's: a flax module that takes one observation (no batch axis) and returns
`(outputs, value)`: `num_outputs` numbers for the action head and one scalar. One with a method `initial_memory()`
remembers: it takes `(memory, obs)` and returns `(memory, (outputs, value))`. A user's is given as `"module:name"`
or as the object itself, and is called with `num_outputs` to make the module. Algorithms that learn action values
read `outputs` as those of the actions, and leave `value` alone.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from elsinore.nets.encoders import dense
from elsinore.nets.initialisation import orthogonal

Answer = tuple[Float[Array, "outputs"], Float[Array, ""]]


class ActorCritic(nn.Module):
    """Outputs for the action head, and a value."""

    encoder: Callable[[], nn.Module]  # makes one trunk
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0

    @nn.compact
    def __call__(self, obs: PyTree) -> Answer:
        actor_trunk = self.encoder()
        critic_trunk = actor_trunk if self.shared else self.encoder()
        return answer(self, actor_trunk(obs), critic_trunk(obs))


class RecurrentActorCritic(nn.Module):
    """The same with a gated recurrent unit (Cho 2014, arXiv:1406.1078) between each trunk and its head."""

    encoder: Callable[[], nn.Module]
    width: int  # of the recurrent layer
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0

    def initial_memory(self) -> tuple[Float[Array, "width"], ...]:
        """Nothing remembered, for each trunk."""
        return (jnp.zeros(self.width),) * (1 if self.shared else 2)

    @nn.compact
    def __call__(self, memory: tuple, obs: PyTree) -> tuple[tuple, Answer]:
        remembered, features = [], []
        for before in memory:
            cell = nn.GRUCell(self.width, kernel_init=orthogonal(1.0), recurrent_kernel_init=orthogonal(1.0))
            after, feature = cell(before, self.encoder()(obs))
            remembered.append(after)
            features.append(feature)
        return tuple(remembered), answer(self, features[0], features[-1])


def answer(net: Any, actor: Float[Array, "features"], critic: Float[Array, "features"]) -> Answer:
    """The two heads; called inside a network's `__call__`, whose parameters they become."""
    # A small last gain makes the first policy nearly uniform; the critic's is 1 (detail 2 of Huang 2022).
    num_means = net.num_outputs // 2 if net.continuous else net.num_outputs
    outputs = dense(num_means, 0.01, name="policy")(actor)
    if net.continuous:  # a standard deviation that no state changes (detail 2 of its continuous details)
        log_std = net.param("log_std", nn.initializers.constant(net.initial_log_std), (num_means,))
        outputs = jnp.concatenate([outputs, log_std])
    return outputs, dense(1, 1.0, name="value")(critic)[0]


class QNetwork(nn.Module):
    """What each action is worth, and the best of them.

    `dueling` learns the state's worth and the actions' advantages apart: Q = V + A - mean(A) (Wang 2016,
    arXiv:1511.06581 eq. 9).
    """

    encoder: Callable[[], nn.Module]
    num_outputs: int
    dueling: bool = False

    @nn.compact
    def __call__(self, obs: PyTree) -> Answer:
        features = self.encoder()(obs)
        q = dense(self.num_outputs, 1.0, name="advantage" if self.dueling else "q")(features)
        if self.dueling:
            q = dense(1, 1.0, name="value")(features) + q - jnp.mean(q)
        return q, jnp.max(q)


def check_contract(net: Any, num_outputs: int, obs: PyTree) -> None:
    """A value of shape [1] instead of [] would broadcast into a batch of batches, and learn nonsense in silence.

    Raises:
        ValueError: saying what the network must give and what it gives.
    """
    wanted = f"(outputs [{num_outputs}], value []) for one observation"
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), obs)
    try:
        if hasattr(net, "initial_memory"):
            memory = net.initial_memory()
            wanted = f"(memory, (outputs [{num_outputs}], value [])) for a memory and one observation"
            after, found = jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), memory, zeros)[0])
            same = jax.tree.map(lambda a, b: (jnp.shape(a), jnp.result_type(a)) == (b.shape, b.dtype), memory, after)
            if not all(jax.tree.leaves(same)):
                raise TypeError(f"the memory it gives is {after}, the one it begins with {memory}")
        else:
            found = jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), zeros)[0])
        outputs, value = found
        shapes = list(outputs.shape), list(value.shape)
    except Exception as error:
        raise ValueError(f"network {type(net).__name__} must give {wanted}, and could not: {error}") from error
    if shapes != ([num_outputs], []):
        raise ValueError(f"network {type(net).__name__} must give {wanted}; it gives {shapes[0]} and {shapes[1]}.")
