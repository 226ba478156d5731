"""Build the network of a config for an environment's observations."""

from dataclasses import replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.errors import setting_text
from elsinore.nets.actor_critic import (
    ActorCritic,
    ImplicitQuantileNetwork,
    QNetwork,
    RecurrentActorCritic,
    RecurrentQNetwork,
    check_network,
)
from elsinore.nets.config import NetworkConfig, family_of
from elsinore.nets.continuous_q import ContinuousActor, Critics, ValueCritics, critics_of
from elsinore.nets.encoders import (
    CNN,
    DTYPES,
    MLP,
    NatureCNN,
    check_image,
    check_large_image,
    check_not_empty,
)
from elsinore.nets.heads import Head
from elsinore.nets.network import Network, network_of


def actor_critic_network(
    config: NetworkConfig, head: Head, obs: PyTree, custom: Any = None, *, joint: bool = False
) -> Network:
    """The actor-critic network of a config, for observations like `obs` (no batch axis).

    `custom` is the factory of a custom network. With `joint` the critic reads other observations
    than the policy does (`nets/centralised.py`).

    Raises:
        ValueError: if the encoder does not fit `obs`, or a custom network's outputs do not fit; for
            one whose features the head needs; for one without a `joint` critic of its own.
    """
    if joint and (custom is not None or family_of(config) or config.shared):
        raise ValueError(
            "agents.critic='joint' needs a trunk of its own for the critic, and algo.network with"
            f" encoder={config.encoder!r}, custom={custom!r}, shared={config.shared} has none;"
            " leave them as they are by default, or set agents.critic: own."
        )
    if head.features and (custom is not None or family_of(config)):
        raise _no_features(config, custom)
    if custom is not None:
        return _custom(config, custom, head.num_outputs, obs)
    settings = {
        "num_outputs": head.num_outputs,
        "continuous": head.continuous,
        "shared": config.shared,
    }
    settings["initial_log_std"] = config.initial_log_std
    settings["state_noise"] = bool(head.features)
    encoder = encoder_of(config, obs)
    if config.critic_hidden is not None:
        settings["critic_encoder"] = encoder_of(config.of_critic, obs)
    if family := family_of(config):
        return network_of(family.actor_critic(encoder, head.num_outputs, config.shared))
    if config.memory is None:
        return network_of(ActorCritic(encoder, **settings))
    memory, width = config.memory
    return network_of(RecurrentActorCritic(encoder, width, memory=memory, **settings))


def q_network(
    config: NetworkConfig,
    num_actions: int,
    obs: PyTree,
    dueling: bool = False,
    custom: Any = None,
    *,
    per_action: int = 1,
    implicit: bool = False,
    recurrent: bool = False,
) -> Network:
    """The network of action values of a config, or of `per_action` numbers for each.

    An `implicit` one gives quantiles at fractions: it takes (obs, fractions). With `recurrent` it
    may have a memory.

    Raises:
        ValueError: as `actor_critic_network`; for a memory where none may be; for an encoder or a
            custom network that gives one number; for a critic's layers; for a custom network that
            is to be `dueling`.
    """
    if config.critic_hidden is not None:
        raise ValueError(
            f"algo.network.critic_hidden={list(config.critic_hidden)} applies to algorithms with a"
            " policy and a critic; action values have `hidden` alone. Leave it out."
        )
    if dueling and custom is not None:
        raise ValueError(
            "algo.dueling=True applies to the built-in networks only, and a custom network has its"
            " own last layers; set algo.dueling: false, or leave the network out."
        )
    network = _custom(config, custom, num_actions * per_action, obs) if custom is not None else None
    if config.memory or (network is not None and network.recurrent):
        _refuse_recurrence(config, custom, recurrent, implicit)
    family = family_of(config)
    if (family and per_action > 1) or (implicit and (family or network)):
        raise _no_distributions(config, custom)
    if network is not None:
        return network
    encoder = encoder_of(config, obs)
    if family:
        return network_of(family.q_network(encoder, num_actions, dueling))
    if implicit:
        # the last dense layer follows the product with a fraction's features, unless it is alone
        before = max(len(config.hidden) - 1, 1 if encoder.func is MLP else 0)
        rest = (config.activation, config.layer_norm, DTYPES[config.dtype])
        parts = encoder_of(config, obs, before), partial(MLP, config.hidden[before:], *rest)
        return _of_fractions(ImplicitQuantileNetwork(*parts, num_actions, dueling), per_action)
    if config.memory:
        memory, width = config.memory
        outputs = (num_actions * per_action, dueling, per_action)
        return network_of(RecurrentQNetwork(encoder, width, *outputs, memory))
    return network_of(QNetwork(encoder, num_actions * per_action, dueling, per_action))


def _memory(config: NetworkConfig) -> str:
    """Its setting, for a message."""
    return "{}={}".format(*(config.memory or ("gru", None)))


def _recurrent(config: NetworkConfig, custom: Any) -> str:
    """The setting that makes a network recurrent, for a message."""
    return _memory(config) if config.memory else f"custom={setting_text(custom)!r}"


def _of_fractions(module: ImplicitQuantileNetwork, number: int) -> Network:
    """Its functions; `init` takes an observation alone."""
    network = network_of(module)
    return network._replace(init=lambda key, obs: network.init(key, (obs, jnp.zeros(number))))


def _refuse_recurrence(
    config: NetworkConfig, custom: Any, is_trained: bool, implicit: bool
) -> None:
    """Refuse a recurrent network of an algorithm, or a distribution, that does not train it."""
    if not is_trained:
        raise ValueError(
            f"algo.network with {_recurrent(config, custom)} is recurrent, which this"
            " algorithm does not train; use ppo, a2c, dqn or pqn, or leave the recurrent layer out."
        )
    if implicit:
        raise ValueError(
            f"algo.network with {_recurrent(config, custom)} is recurrent, which distribution='iqn'"
            " does not train; use none, c51 or qr."
        )


def _no_distributions(config: NetworkConfig, custom: Any) -> ValueError:
    return ValueError(
        f"algo.network with encoder={config.encoder!r}, custom={custom!r} does not give"
        " distributions of returns; leave it as it is by default, or use distribution: none"
        " (a custom network works with c51 and qr)."
    )


def _no_features(config: NetworkConfig, custom: Any) -> ValueError:
    return ValueError(
        f"algo.network with encoder={config.encoder!r}, custom={custom!r} gives no features to"
        " action_distribution='gsde'; leave it as it is by default, or use squashed or beta."
    )


def actor_and_critics(
    config: NetworkConfig,
    num_outputs: int,
    num_critics: int,
    obs: PyTree,
    custom: Any = None,
    *,
    critic_outputs: int = 1,
    dropout: float = 0.0,
    state_noise: bool = False,
) -> tuple[Network, ValueCritics]:
    """An actor with `num_outputs` outputs, and critics of its actions, each with `critic_outputs`.
    With `state_noise` its outputs are means, then the spread of noise of its features.

    `custom` makes the actor, whose value is not read; the critics are built from the config.
    Layer normalisation is the critics' alone (Hiraoka 2022, arXiv:2110.02034). An action joins the
    observation before an MLP, and the features of an image after its CNN.

    Raises:
        ValueError: as `q_network`, and for a network family or a shared trunk; for a custom actor,
            which has no features for `state_noise`.
    """
    if state_noise and custom is not None:
        raise _no_features(config, custom)
    if config.shared or family_of(config):
        raise ValueError(
            f"algo.network with shared={config.shared}, encoder={config.encoder!r} makes no"
            " separate actor and critics; leave both as they are by default."
        )
    encoder = encoder_of(replace(config, layer_norm=False), obs)
    actor = network_of(
        ContinuousActor(encoder, num_outputs, state_noise, float(config.initial_log_std))
    )
    if custom is not None:
        actor = _custom(config, custom, num_outputs, obs)
    if config.memory or actor.recurrent:
        raise ValueError(
            f"algo.network with {_recurrent(config, custom)} is recurrent, which a replay"
            " of single steps does not train; use ppo or a2c, or leave the recurrent layer out."
        )
    dtype = DTYPES[config.dtype]
    rest = (config.activation, config.layer_norm, dtype, dropout)
    if encoder.func is MLP:
        trunk = partial(MLP, config.of_critic.hidden, *rest)
        return actor, critics_of(Critics(None, trunk, num_critics, critic_outputs))
    trunk = partial(MLP, config.of_critic.hidden[-1:], *rest)
    return actor, critics_of(
        Critics(encoder_of(config.of_critic, obs), trunk, num_critics, critic_outputs)
    )


def _custom(config: NetworkConfig, factory: Any, num_outputs: int, obs: PyTree) -> Network:
    if config.memory is not None:
        raise ValueError(
            f"algo.network.{_memory(config)} applies to the built-in networks only, and a custom"
            " network has its own recurrent layer, or none; leave it out."
        )
    if isinstance(factory, nn.Module):
        raise ValueError(
            f"network={type(factory).__name__}(...) is a module, where the function that makes it"
            " from the number of outputs is needed; give the class itself, or a lambda."
        )
    module = factory(num_outputs)
    check_network(module, num_outputs, obs)
    return network_of(module)


def encoder_of(
    config: NetworkConfig, obs: PyTree, num_layers: int | None = None
) -> partial[nn.Module]:
    """A function that builds one encoder, with `num_layers` of its dense layers; None: all.

    Raises:
        ValueError: if the encoder does not fit `obs`.
    """
    shape = getattr(obs, "shape", ())  # a dict has none
    is_image = len(shape) == 3
    if config.encoder in ("cnn", "nature") and not is_image:
        raise ValueError(
            f"algo.network.encoder={config.encoder!r} needs observations of shape [height, width,"
            f" channel]; this environment's are {getattr(obs, 'shape', type(obs).__name__)}. Use"
            " encoder: mlp."
        )
    if family := family_of(config):
        family.check(obs)
        return partial(family.encoder, config.hidden, config.activation, config.layer_norm)
    hidden = config.hidden[:num_layers]
    rest = (hidden, config.activation, config.layer_norm, DTYPES[config.dtype])
    if config.encoder == "cnn" or (config.encoder == "auto" and is_image):
        check_image(config.channels, shape)
        return partial(CNN, config.channels, *rest)
    if config.encoder == "nature":
        check_large_image(shape)
        return partial(NatureCNN, NatureCNN.channels, *rest)
    check_not_empty(obs)
    return partial(MLP, *rest)
