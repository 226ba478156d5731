"""Settings of a network, and families of networks for observations of a special form."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import flax.linen as nn
from jaxtyping import PyTree

from elsinore import validation
from elsinore.config_records import record
from elsinore.imports import import_object
from elsinore.nets.encoders import DTYPES, MAX_WIDTH, check_layers
from elsinore.nets.memory import MEMORIES

ENCODERS = ("auto", "mlp", "cnn", "nature")


class NetworkFamily(NamedTuple):
    """An encoder and its networks, for observations of a special form.

    A config names it as `encoder: "module:name"`. `make_encoder` takes no arguments and
    builds one encoder.
    """

    encoder: Callable[..., nn.Module]  # (hidden, activation, layer_norm)
    actor_critic: Callable[..., nn.Module]  # (make_encoder, num_outputs, shared)
    q_network: Callable[..., nn.Module]  # (make_encoder, num_outputs, dueling)
    check: Callable[[PyTree], None]  # raises ValueError for unfit observations


@record
class NetworkConfig:
    """Settings of the network: encoder, layer sizes, recurrence."""

    # "module:name" of a custom network; the rest is then unused, and a recurrent layer refused.
    custom: str | None = None
    # The encoder: auto, mlp, cnn, nature (for images as of Atari) or "module:name" of a
    # NetworkFamily; auto is cnn for observations of shape [height, width, channel], else mlp.
    encoder: str = "auto"
    hidden: tuple[int, ...] = (64, 64)  # The widths of the dense layers.
    # The widths of the critic's dense layers; null: those of the policy's.
    critic_hidden: tuple[int, ...] | None = None
    channels: tuple[int, ...] = (16,)  # The channels of the cnn's convolutions.
    activation: str = "tanh"  # tanh | relu | silu | gelu: the activation function.
    layer_norm: bool = False  # Layer normalisation before each activation.
    # Width of a gated recurrent unit (GRU) after the encoder; null: none.
    gru: int | None = None
    lstm: int | None = None  # Width of a long short-term memory (LSTM) after the encoder.
    lru: int | None = None  # Width of a linear recurrence (LRU) after the encoder.
    shared: bool = False  # One trunk for policy and critic instead of one each.
    initial_log_std: float = 0.0  # Initial log of the deviation of continuous actions.
    # float32 | bfloat16: the type of the encoder's products; parameters and sums are float32.
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS and ":" not in self.encoder:
            raise ValueError(
                f"encoder={self.encoder!r} is unknown; choose auto, mlp, cnn, nature, or"
                " 'module:name' of a NetworkFamily (Balatro's is"
                " elsinore.worlds.balatro.nets:CARDS)."
            )
        check_layers(self)
        validation.one_of(self, "dtype", *DTYPES)
        if self.dtype != "float32" and ":" in self.encoder:
            raise ValueError(
                f"dtype={self.dtype!r} applies to the built-in encoders only, and"
                f" encoder={self.encoder!r} has its own; leave it out."
            )
        if self.critic_hidden is not None and (self.shared or ":" in self.encoder):
            raise ValueError(
                f"critic_hidden={list(self.critic_hidden)} needs layers of the critic alone, which"
                f" shared={self.shared}, encoder={self.encoder!r} does not have; leave it out."
            )
        if not -20.0 <= self.initial_log_std <= 20.0:
            raise ValueError(
                f"initial_log_std={self.initial_log_std} must be from -20 to 20; it is the"
                " logarithm of a deviation, so 0 is a deviation of 1."
            )
        self._check_memory()

    @property
    def of_critic(self) -> "NetworkConfig":
        """The same network with the critic's widths."""
        return self if self.critic_hidden is None else replace(self, hidden=self.critic_hidden)

    def _check_memory(self) -> None:
        given = {name: getattr(self, name) for name in MEMORIES}
        given = {name: width for name, width in given.items() if width is not None}
        for name, width in given.items():
            if not 1 <= width <= MAX_WIDTH:
                raise ValueError(
                    f"{name}={width} must be a width from 1 to {MAX_WIDTH}; null leaves the"
                    " recurrent layer out."
                )
            if ":" in self.encoder:
                raise ValueError(
                    f"{name}={width} cannot follow encoder={self.encoder!r}, whose networks are"
                    " feed-forward; leave it out."
                )
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(f'{name}={width}' for name, width in given.items())} are several"
                " recurrent layers, and a network has one; leave the others out."
            )

    @property
    def memory(self) -> tuple[str, int] | None:
        """Kind and width of the recurrent layer; None: feed-forward."""
        return next(((x, getattr(self, x)) for x in MEMORIES if getattr(self, x)), None)

    @property
    def features(self) -> int:
        """Features that the head reads."""
        return self.memory[1] if self.memory else self.hidden[-1]


def family_of(config: NetworkConfig) -> NetworkFamily | None:
    """The family that the config's encoder names; None for the built-in encoders.

    Raises:
        ValueError: for a name that cannot be imported or is no family.
    """
    if ":" not in config.encoder:
        return None
    family = import_object(config.encoder, "algo.network.encoder")
    if not isinstance(family, NetworkFamily):
        raise ValueError(
            f"algo.network.encoder={config.encoder!r} is {type(family).__name__}; it must be an"
            " elsinore.toolkit.NetworkFamily."
        )
    return family
