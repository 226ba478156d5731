"""Environments, algorithms, networks and teachers that raise, exit or give something else."""

import sys
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from elsinore.algos.ppo import PPOConfig, ppo
from tests.envs.broken_envs import Wall

# Environments


class ResetRaises(Wall):
    def reset_env(self, key, params):
        raise KeyError("the ghost")


class PythonState(Wall):
    """Its state is an object of Python, of which jax knows no arrays."""

    def reset_env(self, key, params):
        obs, state = super().reset_env(key, params)
        return obs, type("Held", (), {"state": state})()


class ResetExits(Wall):
    def reset_env(self, key, params):
        sys.exit(7)


class ResetMemory(Wall):
    def reset_env(self, key, params):
        raise MemoryError("of the user's own making")


class StepRaises(Wall):
    def step_env(self, key, state, action, params):
        return self.helper({})

    def helper(self, table):
        return table["missing"]


class TruncationRaises(Wall):
    def is_truncated(self, state, params):
        raise ZeroDivisionError


class ConstructorRaises(Wall):
    def __init__(self, size: int = 3):
        raise RuntimeError(f"size {size} is bad")


class ConstructorTypeError(Wall):
    def __init__(self):
        len(3)  # pyright: ignore[reportArgumentType]


class ParamsRaise(Wall):
    @property
    def default_params(self):
        raise LookupError("no params today")


class NoSpace(Wall):
    def action_space(self, params):
        raise NotImplementedError


class LongMessage(Wall):
    def reset_env(self, key, params):
        raise RuntimeError("x " * 10_000 + "\nsecond line")


class StepNone(Wall):
    def step_env(self, key, state, action, params):
        return None


def factory_raises(**kwargs):
    raise RuntimeError("no world today")


def factory_exits(**kwargs):
    sys.exit(3)


def factory_none(**kwargs):
    return None


def factory_interrupted_import(**kwargs):
    import no_such_module  # noqa: F401 # pyright: ignore[reportMissingImports]


# Algorithms


@dataclass(frozen=True, kw_only=True)
class PostInitRaises(PPOConfig):
    fail: bool = False

    def __post_init__(self):
        if self.fail:
            raise KeyError("post init")


def algo_raises(config: PPOConfig, env, env_params, num_updates, network=None):
    raise RuntimeError("no algorithm today")


def algo_exits(config: PPOConfig, env, env_params, num_updates, network=None):
    raise SystemExit("good night")


def algo_none(config: PPOConfig, env, env_params, num_updates, network=None):
    return None


def algo_unpacks(config: PPOConfig, env, env_params, num_updates, network=None):
    first, second = [1, 2, 3]
    return first, second


def algo_refuses(config: PPOConfig, env, env_params, num_updates, network=None):
    raise ValueError("gamma=0.99 is not to my taste; lower it.")


def algo_config_raises(config: PostInitRaises, env, env_params, num_updates, network=None):
    return ppo(config, env, env_params, num_updates, network)


def algo_init_raises(config: PPOConfig, env, env_params, num_updates, network=None):
    def init(key, env_params, hyper):
        raise IndexError("init")

    return ppo(config, env, env_params, num_updates, network)._replace(init=init)


def algo_update_raises(config: PPOConfig, env, env_params, num_updates, network=None):
    def update(state):
        raise KeyError("update")

    return ppo(config, env, env_params, num_updates, network)._replace(update=update)


def algo_update_branches(config: PPOConfig, env, env_params, num_updates, network=None):
    made = ppo(config, env, env_params, num_updates, network)

    def update(state):
        if state.update > 3:  # a Python branch on a traced number
            return made.update(state)
        return made.update(state)

    return made._replace(update=update)


# Networks


def net_raises(num_outputs):
    raise KeyError("net")


def net_exits(num_outputs):
    sys.exit(1)


def net_none(num_outputs):
    return None


class NetCallRaises(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs: Any):
        raise OSError("no such weights")


class NetInt(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs: Any):
        return jnp.zeros(self.num_outputs, jnp.int32), jnp.float32(0.0)


class NetShape(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs: Any):
        return jnp.zeros(self.num_outputs + 1), jnp.float32(0.0)


class NetValue1(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs: Any):
        return jnp.zeros(self.num_outputs), jnp.zeros(1)


# Teachers


def teacher_raises(env):
    raise RuntimeError("class is out")


def teacher_exits(env):
    sys.exit(2)
