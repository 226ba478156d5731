"""Build the network of a config for an environment's observations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
from jaxtyping import PyTree

from elsinore.nets.actor_critic import ActorCritic, QNetwork, RecurrentActorCritic, check_network
from elsinore.nets.continuous_q import Actor, Critics, ValueCritics, critics_of
from elsinore.nets.encoders import CNN, MAX_WIDTH, MLP, check_layers
from elsinore.nets.heads import Head
from elsinore.nets.network import Network, network_of
from elsinore.validation import import_object


class NetworkFamily(NamedTuple):
    """An encoder and its networks, for observations of a special form.

    A config names it as `encoder: "module:name"`. `make_encoder` below takes no arguments and
    builds one encoder.
    """

    encoder: Callable[..., nn.Module]  # (hidden, activation, layer_norm)
    actor_critic: Callable[..., nn.Module]  # (make_encoder, num_outputs, shared)
    q_network: Callable[..., nn.Module]  # (make_encoder, num_outputs, dueling)
    check: Callable[[PyTree], None]  # raises ValueError for unfit observations


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Settings of the network: encoder, layer sizes, recurrence."""

    custom: str | None = None  # "module:name" of a custom network; the rest is then unused.
    # The encoder: auto, mlp, cnn or "module:name" of a NetworkFamily; auto is cnn for observations
    # of shape [height, width, channel], else mlp.
    encoder: str = "auto"
    hidden: tuple[int, ...] = (64, 64)  # The widths of the dense layers.
    channels: tuple[int, ...] = (16,)  # The channels of the cnn's convolutions.
    activation: str = "tanh"  # tanh | relu | silu | gelu: the activation function.
    layer_norm: bool = False  # Layer normalisation before each activation.
    # The width of a recurrent layer (GRU) after the encoder (ppo, a2c); null: feed-forward.
    gru: int | None = None
    shared: bool = False  # One trunk for policy and critic instead of one each.
    initial_log_std: float = 0.0  # Initial log of the deviation of continuous actions.

    def __post_init__(self):
        if self.encoder not in ENCODERS and ":" not in self.encoder:
            raise ValueError(
                f"encoder={self.encoder!r} is unknown; choose auto, mlp, cnn, or 'module:name' of a"
                " NetworkFamily (Balatro's is elsinore.worlds.balatro.nets:CARDS)."
            )
        check_layers(self)
        if self.gru is not None and not 1 <= self.gru <= MAX_WIDTH:
            raise ValueError(
                f"gru={self.gru} must be a width from 1 to {MAX_WIDTH}; null leaves the recurrent"
                " layer out."
            )
        if self.gru is not None and ":" in self.encoder:
            raise ValueError(
                f"gru={self.gru} cannot follow encoder={self.encoder!r}, whose networks are"
                " feed-forward; leave it out."
            )


ENCODERS = ("auto", "mlp", "cnn")


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
            " elsinore.nets.build.NetworkFamily."
        )
    return family


def actor_critic_network(
    config: NetworkConfig, head: Head, obs: PyTree, custom: Any = None
) -> Network:
    """The actor-critic network of a config, for observations like `obs` (no batch axis).

    `custom` is the factory of a custom network.

    Raises:
        ValueError: if the encoder does not fit `obs`, or a custom network's outputs do not fit.
    """
    if custom is not None:
        return _custom(custom, head.num_outputs, obs)
    settings = {
        "num_outputs": head.num_outputs,
        "continuous": head.continuous,
        "shared": config.shared,
    }
    settings["initial_log_std"] = config.initial_log_std
    encoder = encoder_of(config, obs)
    if family := family_of(config):
        return network_of(family.actor_critic(encoder, head.num_outputs, config.shared))
    module = (
        RecurrentActorCritic(encoder, config.gru, **settings)
        if config.gru
        else ActorCritic(encoder, **settings)
    )
    return network_of(module)


def q_network(
    config: NetworkConfig, num_actions: int, obs: PyTree, dueling: bool = False, custom: Any = None
) -> Network:
    """The network of action values of a config.

    Raises:
        ValueError: as `actor_critic_network`, and for a recurrent network: a replay buffer of
            single steps cannot train it.
    """
    network = _custom(custom, num_actions, obs) if custom is not None else None
    if config.gru or (network is not None and network.recurrent):
        raise ValueError(
            f"algo.network with gru={config.gru}, custom={custom!r} is recurrent, which value-based"
            " algorithms do not train; use ppo or a2c, or leave the recurrent layer out."
        )
    family = family_of(config)
    make = family.q_network if family else QNetwork
    return network or network_of(make(encoder_of(config, obs), num_actions, dueling))


def actor_and_critics(
    config: NetworkConfig,
    num_outputs: int,
    num_critics: int,
    obs: PyTree,
    custom: Any = None,
) -> tuple[Network, ValueCritics]:
    """An actor with `num_outputs` outputs, and critics of its continuous actions.

    `custom` makes the actor, whose value is not read; the critics are built from the config.
    Layer normalisation is the critics' alone (Hiraoka 2022, arXiv:2110.02034). An action joins the
    observation before an MLP, and the features of an image after its CNN.

    Raises:
        ValueError: as `q_network`, and for a network family or a shared trunk.
    """
    if config.shared or family_of(config):
        raise ValueError(
            f"algo.network with shared={config.shared}, encoder={config.encoder!r} makes no critics"
            " of continuous actions; leave both as they are by default."
        )
    encoder = encoder_of(replace(config, layer_norm=False), obs)
    actor = network_of(Actor(encoder, num_outputs))
    if custom is not None:
        actor = _custom(custom, num_outputs, obs)
    if config.gru or actor.recurrent:
        raise ValueError(
            f"algo.network with gru={config.gru}, custom={custom!r} is recurrent, which a replay of"
            " single steps does not train; use ppo or a2c, or leave the recurrent layer out."
        )
    trunk = partial(MLP, config.hidden, config.activation, config.layer_norm)
    if encoder.func is MLP:
        return actor, critics_of(Critics(None, trunk, num_critics))
    trunk = partial(MLP, config.hidden[-1:], config.activation, config.layer_norm)
    return actor, critics_of(Critics(encoder_of(config, obs), trunk, num_critics))


def _custom(factory: Any, num_outputs: int, obs: PyTree) -> Network:
    module = factory(num_outputs)
    check_network(module, num_outputs, obs)
    return network_of(module)


def encoder_of(config: NetworkConfig, obs: PyTree) -> partial[nn.Module]:
    """A function that builds one encoder.

    Raises:
        ValueError: if the encoder does not fit `obs`.
    """
    is_image = not isinstance(obs, dict) and getattr(obs, "ndim", 0) == 3
    if config.encoder == "cnn" and not is_image:
        raise ValueError(
            "algo.network.encoder='cnn' needs observations of shape [height, width, channel]; this"
            f" environment's are {getattr(obs, 'shape', type(obs).__name__)}. Use encoder: mlp."
        )
    if family := family_of(config):
        family.check(obs)
        return partial(family.encoder, config.hidden, config.activation, config.layer_norm)
    if config.encoder == "cnn" or (config.encoder == "auto" and is_image):
        return partial(CNN, config.channels, config.hidden, config.activation, config.layer_norm)
    return partial(MLP, config.hidden, config.activation, config.layer_norm)
