"""The check of a custom environment of several agents: an agent among others gets what one alone
gets."""

from typing import Any

import jax
from jaxtyping import PyTree

from elsinore.checks.tree_differences import paths
from elsinore.envs.random_action import random_action
from elsinore.experience.multi_agent import num_agents_in, over_agents, params_of_one


def difference_among_agents(env: Any, params: PyTree) -> str:
    """The first value that one of several agents gets in another shape than an agent alone; "" if
    there is none. `params` are those of all agents."""

    def begun_and_stepped(key: PyTree, params: PyTree) -> dict[str, PyTree]:
        obs, state = env.reset_env(key, params)
        action = random_action(env.action_space(params), key)
        values = env.step_env(key, state, action, params)
        stepped = dict(zip(("obs", "state", "reward", "terminated", "info"), values, strict=True))
        ends = env.is_truncated(values[1], params)
        return {"reset": {"obs": obs, "state": state}, "step": stepped | {"is_truncated": ends}}

    keys = jax.random.split(jax.random.key(0), num_agents_in(env))
    alone = jax.eval_shape(begun_and_stepped, keys[0], params_of_one(env, params))
    among = jax.eval_shape(over_agents(env, begun_and_stepped, params), keys)
    for call in alone:
        for name in alone[call]:
            shapes = {path: x.shape for path, x in paths(name, alone[call][name])}
            for path, x in paths(name, among[call][name]):
                if shapes.get(path, x.shape[1:]) != x.shape[1:]:
                    return (
                        f"after a {call} each agent's {path} has shape {x.shape[1:]}, and"
                        f" {shapes[path]} where an agent is alone. Give it one shape, such as that"
                        " of everyone[me], where everyone, me = gather_agents(...)."
                    )
    return ""
