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
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from elsinore.nets.centralised import read_by_trunks
from elsinore.nets.encoders import dense
from elsinore.nets.memory import initial_state, over_time, remember
from elsinore.ops.return_distributions import cosine_embedding

OutputsAndValue = tuple[Float[Array, "outputs"], Float[Array, ""]]
OverTime = tuple[Float[Array, "*time outputs"], Float[Array, "*time"]]


class ActorCritic(nn.Module):
    """Outputs for the action head, and V(s)."""

    encoder: Callable[[], nn.Module]  # builds one trunk
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0
    state_noise: bool = False
    critic_encoder: Callable[[], nn.Module] | None = None  # builds the critic's; None: `encoder`

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        actor_obs, critic_obs = read_by_trunks(obs, 2)
        actor_trunk = self.encoder()
        if critic_obs is None:
            return actor_critic_heads(self, actor_trunk(actor_obs), None)
        critic_trunk = actor_trunk if self.shared else (self.critic_encoder or self.encoder)()
        return actor_critic_heads(self, actor_trunk(actor_obs), critic_trunk(critic_obs))


class RecurrentActorCritic(nn.Module):
    """`ActorCritic` with a memory between trunk and head: a gated recurrent unit (Cho 2014,
    arXiv:1406.1078), an LSTM (Hochreiter 1997) or a linear recurrence."""

    encoder: Callable[[], nn.Module]
    width: int  # of the recurrent layer
    num_outputs: int
    continuous: bool = False
    shared: bool = False
    initial_log_std: float = 0.0
    memory: str = "gru"
    state_noise: bool = False
    critic_encoder: Callable[[], nn.Module] | None = None

    @property
    def linear(self) -> bool:
        """True if it also maps a carry and [time, ...], see `network_of`."""
        return self.memory == "lru"

    def initial_carry(self) -> tuple[PyTree, ...]:
        """Zeros, for each trunk."""
        return (initial_state(self.memory, self.width),) * (1 if self.shared else 2)

    @nn.compact
    def __call__(
        self, carry: tuple, obs: PyTree, episode_start: Bool[Array, "time"] | None = None
    ) -> tuple[tuple, OverTime]:
        after, features = remember(self, carry, obs, episode_start)
        heads = actor_critic_heads if episode_start is None else over_time(actor_critic_heads)
        return after, heads(self, features[0], features[-1])


def actor_critic_heads(
    net: Any, actor: Float[Array, "features"], critic: Float[Array, "of_critic"] | None
) -> OutputsAndValue:
    """The layers `policy` and `value`; call it inside `net.__call__`, which gets the parameters.

    `net` has `num_outputs`, `continuous`, and `initial_log_std` where its actions are continuous.
    Without the features of a critic the value is NaN.
    """
    state_noise = getattr(net, "state_noise", False)
    # A small gain makes the initial policy nearly uniform; the critic's is 1 (detail 2 of Huang
    # 2022).
    num_means = net.num_outputs // 2 if net.continuous else net.num_outputs
    if state_noise:
        num_means = net.num_outputs // (1 + actor.size)
    outputs = dense(num_means, 0.01, name="policy")(actor)
    # a state-independent standard deviation (detail 2 of its continuous details)
    if net.continuous:
        log_std = net.param("log_std", nn.initializers.constant(net.initial_log_std), (num_means,))
        outputs = jnp.concatenate([outputs, log_std])
    # the features are not learnt for the noise
    if state_noise:
        spread = state_spread(net, jax.lax.stop_gradient(actor), num_means)
        outputs = jnp.concatenate([outputs, spread])
    if critic is None:
        return outputs, jnp.float32(jnp.nan)
    return outputs, dense(1, 1.0, name="value")(critic)[0]


def state_spread(
    net: Any,
    features: Float[Array, "features"],
    num_means: int,
    log_std_range: tuple[float, float] | None = None,
) -> Float[Array, "spread"]:
    """Each feature times the deviation of its weight in the noise of each mean, in one row: the
    `spread` of `StateNoise`. The parameter `log_std` is inside `net.__call__`."""
    start = nn.initializers.constant(net.initial_log_std - 0.5 * np.log(features.size))
    log_std = net.param("log_std", start, (features.size, num_means))
    if log_std_range is not None:
        log_std = jnp.clip(log_std, *log_std_range)
    return (features[:, None] * jnp.exp(log_std)).reshape(-1)


class QNetwork(nn.Module):
    """Q(s, a) of each action, and their maximum; or, of each action, several outputs for the
    distribution of its return."""

    encoder: Callable[[], nn.Module]
    num_outputs: int  # of all actions
    dueling: bool = False
    per_action: int = 1

    @nn.compact
    def __call__(self, obs: PyTree) -> OutputsAndValue:
        q = q_layers(self, self.encoder()(obs))
        return q, jnp.max(q)


class RecurrentQNetwork(nn.Module):
    """`QNetwork` with a memory between encoder and head, as in `RecurrentActorCritic`."""

    encoder: Callable[[], nn.Module]
    width: int  # of the recurrent layer
    num_outputs: int
    dueling: bool = False
    per_action: int = 1
    memory: str = "gru"

    @property
    def linear(self) -> bool:
        return self.memory == "lru"

    def initial_carry(self) -> tuple[PyTree]:
        return (initial_state(self.memory, self.width),)

    @nn.compact
    def __call__(
        self, carry: tuple, obs: PyTree, episode_start: Bool[Array, "time"] | None = None
    ) -> tuple[tuple, OverTime]:
        after, (features,) = remember(self, carry, obs, episode_start)
        q = q_layers(self, features)
        return after, (q, jnp.max(q, axis=-1))


def q_layers(net: Any, features: Float[Array, "*fraction features"]) -> Float[Array, "... outputs"]:
    """The layer `q`, or of a dueling net `advantage` and `value`; call it inside `net.__call__`.

    Dueling learns V and the advantages A separately: Q = V + A - mean(A) (Wang 2016,
    arXiv:1511.06581 eq. 9), of distributions number by number (Hessel 2018, arXiv:1710.02298).
    """
    q = dense(net.num_outputs, 1.0, name="advantage" if net.dueling else "q")(features)
    if net.dueling:
        value = dense(net.per_action, 1.0, name="value")(features)[..., None, :]
        advantage = q.reshape(*q.shape[:-1], -1, net.per_action)
        mean = jnp.mean(advantage, axis=-2, keepdims=True)
        q = (value + advantage - mean).reshape(q.shape)
    return q


class ImplicitQuantileNetwork(nn.Module):
    """Quantiles of the return of each action, at fractions that are an input (Dabney 2018,
    arXiv:1806.06923 section 3.1): the features are multiplied by those of a fraction, and `last`
    has the dense layers after that."""

    encoder: Callable[[], nn.Module]
    last: Callable[[], nn.Module]
    num_outputs: int  # actions
    dueling: bool = False
    per_action: int = 1
    cosines: int = 64

    @nn.compact
    def __call__(self, inputs: tuple[PyTree, Float[Array, "fraction"]]) -> OutputsAndValue:
        obs, fraction = inputs
        features = self.encoder()(obs)
        embedding = cosine_embedding(fraction, self.cosines)
        embedding = nn.relu(dense(features.size, np.sqrt(2), name="fraction")(embedding))
        last = nn.vmap(
            lambda last, x: last(x), variable_axes={"params": None}, split_rngs={"params": False}
        )
        quantiles = q_layers(self, last(self.last(), features * embedding))
        return quantiles.T.reshape(-1), jnp.max(quantiles)


def _shapes_of(tree: PyTree) -> str:
    """A tree of arrays as text, each by type and shape: `(float32[3], float32[])`."""

    class Text(str):
        __repr__ = str.__str__

    def text(x: Any) -> Text:
        if not hasattr(x, "shape"):
            return Text(type(x).__name__)
        return Text(f"{x.dtype}[{','.join(map(str, x.shape))}]")

    return str(jax.tree.map(text, tree))


def check_network(net: Any, num_outputs: int, obs: PyTree) -> None:
    """Check the shapes and types that a custom network returns.

    A value of shape [1] instead of [] would broadcast to [batch, batch] and corrupt the loss
    without an error.

    Raises:
        ValueError: with the required shapes and the network's.
    """
    wanted = f"(outputs [{num_outputs}], value []) for one observation"
    zeros = jax.tree.map(jnp.zeros_like, obs)
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
                raise TypeError(
                    f"the carry it returns is {_shapes_of(after)}, and initial_carry() is"
                    f" {_shapes_of(carry)}"
                )
        else:
            found = jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), zeros)[0])
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise TypeError(
                f"it returns {_shapes_of(found)}; in algo.network.custom (`network` of a call)"
                f" return `outputs, value`, with {num_outputs} outputs. Of action values the value"
                " is their maximum"
            )
        outputs, value = found
        shapes = list(outputs.shape), list(value.shape)
        types = outputs.dtype, value.dtype
    except Exception as error:
        raise ValueError(
            f"network {type(net).__name__} must return {wanted}, and fails:"
            f" {str(error).rstrip('.')}."
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
