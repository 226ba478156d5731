"""From a few settings to the network that reads a world's observations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import PyTree

from elsinore.nets.actor_critic import ActorCritic, QNetwork, RecurrentActorCritic, check_contract
from elsinore.nets.cards import CardActorCritic, CardEncoder, CardQNetwork, check_cards
from elsinore.nets.encoders import ACTIVATIONS, CNN, MLP
from elsinore.nets.heads import Head
from elsinore.nets.network import Network, network_of


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What reads the observation, and how wide it is."""

    custom: str | None = None  # "module:name" of a network of your own; the rest is then unused
    encoder: str = "auto"  # auto | mlp | cnn | cards; auto takes cnn for [height, width, channel] observations
    hidden: tuple[int, ...] = (64, 64)
    channels: tuple[int, ...] = (16,)  # of the cnn's convolutions
    activation: str = "tanh"  # tanh | relu | silu | gelu
    layer_norm: bool = False  # before each activation
    gru: int | None = None  # width of a recurrent layer after the encoder (ppo, a2c); null: no memory
    shared: bool = False  # one trunk for policy and critic, or one each
    initial_log_std: float = 0.0  # of continuous actions

    def __post_init__(self):
        if self.encoder not in ("auto", "mlp", "cnn", "cards"):
            raise ValueError(f"encoder={self.encoder!r} is unknown; choose auto, mlp, cnn or cards.")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation={self.activation!r} is unknown; choose one of {known}.")
        for name in ("hidden", "channels"):
            sizes = getattr(self, name)
            if not sizes or min(sizes) < 1:
                raise ValueError(f"{name}={list(sizes)} must be one or more layer sizes of at least 1.")
        if self.gru is not None and self.gru < 1:
            raise ValueError(f"gru={self.gru} must be a width of at least 1; null leaves the recurrent layer out.")
        if self.gru is not None and self.encoder == "cards":
            raise ValueError(f"gru={self.gru} cannot follow encoder='cards', which sees the whole table; leave it out.")


def actor_critic_network(config: NetworkConfig, head: Head, obs: PyTree, custom: Any = None) -> Network:
    """The network of a config, for an env that shows observations like `obs`; `custom` is a user's factory.

    Raises:
        ValueError: where it cannot read such observations, or a user's does not keep the contract.
    """
    if custom is not None:
        return _custom(custom, head.num_outputs, obs)
    ours = {"num_outputs": head.num_outputs, "continuous": head.continuous, "shared": config.shared}
    ours["initial_log_std"] = config.initial_log_std
    encoder = encoder_of(config, obs)
    if config.encoder == "cards":
        return network_of(CardActorCritic(encoder, head.num_outputs, config.shared))
    module = RecurrentActorCritic(encoder, config.gru, **ours) if config.gru else ActorCritic(encoder, **ours)
    return network_of(module)


def q_network(
    config: NetworkConfig, num_actions: int, obs: PyTree, dueling: bool = False, custom: Any = None
) -> Network:
    """Likewise, of action values.

    Raises:
        ValueError: likewise, and for a recurrent one, which a replay of single steps cannot train.
    """
    network = _custom(custom, num_actions, obs) if custom is not None else None
    if config.gru or (network is not None and network.remembers):
        raise ValueError(
            f"algo.network.gru={config.gru} asks for a memory, which algorithms of action values do not train here; "
            "use ppo or a2c, or leave it out."
        )
    module = CardQNetwork if config.encoder == "cards" else QNetwork
    return network or network_of(module(encoder_of(config, obs), num_actions, dueling))


def _custom(factory: Any, num_outputs: int, obs: PyTree) -> Network:
    module = factory(num_outputs)
    check_contract(module, num_outputs, obs)
    return network_of(module)


def encoder_of(config: NetworkConfig, obs: PyTree) -> Callable[[], nn.Module]:
    """A maker of trunks."""
    is_image = not isinstance(obs, dict) and getattr(obs, "ndim", 0) == 3
    if config.encoder == "cnn" and not is_image:
        raise ValueError(
            "algo.network.encoder='cnn' needs observations of shape [height, width, channel]; this environment's are "
            f"{getattr(obs, 'shape', type(obs).__name__)}. Use encoder: mlp."
        )
    if config.encoder == "cards":
        check_cards(obs)
        return partial(CardEncoder, config.hidden, config.activation, config.layer_norm)
    if config.encoder == "cnn" or (config.encoder == "auto" and is_image):
        return partial(CNN, config.channels, config.hidden, config.activation, config.layer_norm)
    return partial(MLP, config.hidden, config.activation, config.layer_norm)
