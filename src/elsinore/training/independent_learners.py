"""Independent learners: several agents in one env, each with its own parameters and experience.

An algorithm along the agent axis. The agents step together, so that the env may let them see one
another (`experience/multi_agent.py`). A shared learner is the plain algorithm in a multi-agent env.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.experience.rollout import init_actor
from elsinore.jaxtools.agents import AGENTS
from elsinore.jaxtools.prng import for_use
from elsinore.training.evaluation import Episodes
from elsinore.types import PER_AGENT, Actor, Algorithm, Mean, PolicyFunctions, TrainState


def independent(algo: Algorithm, env: MultiAgentEnv, hyper_of_each: Any = None) -> Algorithm:
    """`algo`, made for `env.env`, with a learner for each agent.

    `hyper_of_each` are its numbers, [agent]; None: those of `algo` for all. Every leaf of the state
    is [agent, ...], but for the seed's `key`, `update`, what the agents share of `env_params`, and
    the episode statistics of a curriculum. Metrics are means over all agents, and below `PER_AGENT`
    those of each.
    """

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        differing = {name: getattr(env_params, name) for name in env.differing}

        def one(agent: Int[Array, ""]) -> TrainState:
            mine = jax.tree.map(lambda x: x[agent], differing)
            own = hyper if hyper_of_each is None else jax.tree.map(lambda x: x[agent], hyper)
            return algo.init(key_of(key, agent), env_params.replace(**mine), own)

        # Not batched: a vmapped orthogonal initialisation can deadlock on jax 0.10.
        state = jax.lax.map(one, jnp.arange(env.agents))
        num_envs = state.actor.episode_length.shape[1]

        # Episodes begin along the agents' axis, so that an env can gather what its agents share.
        def begin(key: Key[Array, ""], env_params: PyTree) -> tuple[PyTree, PyTree]:
            actor = init_actor(env.env, key, env_params, num_envs)
            return actor.obs, actor.env_state

        begin_all = jax.vmap(begin, in_axes=(0, env.axes(env_params)), axis_name=AGENTS)
        obs, env_state = begin_all(keys_of(key, env.agents), env_params)
        actor = state.actor._replace(obs=obs, env_state=env_state)
        return state._replace(key=key, update=jnp.int32(0), actor=actor, env_params=env_params)

    def update(state: TrainState) -> tuple[TrainState, dict[str, Any]]:
        axes = axes_of(env, state)
        over = jax.vmap(algo.update, in_axes=(axes,), out_axes=(axes, 0), axis_name=AGENTS)
        seed_key = state.key
        state, each = over(state._replace(key=keys_of(seed_key, env.agents)))
        state = state._replace(key=seed_key)
        means = {name: Mean(mean.total.sum(), mean.count.sum()) for name, mean in each.items()}
        return state, means | {PER_AGENT: each}

    of_agents = policy_of_agents(algo.policy, env.agents, 0)
    hyper = algo.hyper if hyper_of_each is None else hyper_of_each
    return Algorithm(
        init=init,
        update=update,
        policy=of_agents,
        hyper=hyper,
        steps_per_update=env.agents * algo.steps_per_update,
    )


def axes_of(env: MultiAgentEnv, state: TrainState) -> Any:
    """A train state whose leaves are axes of `jax.vmap`."""
    each: Any = 0
    shared: Any = None
    actor: Any = each
    if state.actor.episode_stats is not None or state.actor.episode_log is not None:
        actor = Actor(
            env_state=each,
            obs=each,
            carry=each,
            episode_return=each,
            episode_length=each,
            episode_stats=shared,  # those of all agents
            episode_log=shared,
        )
    return TrainState(
        key=each,
        update=shared,
        learner=each,
        actor=actor,
        stats=each,
        hyper=each,
        env_params=env.axes(state.env_params),
        rnd=each,
    )


def policy_of_agents(
    policy: PolicyFunctions, agents: int, state_axis: int | None
) -> PolicyFunctions:
    """A policy of [agent, ...] observations; `state_axis` is the agents' in its `PolicyState`, None
    where they share one."""

    def act(key, policy_state, carry, obs, greedy):
        one = partial(policy.act, greedy=greedy)
        return jax.vmap(one, in_axes=(0, state_axis, 0, 0))(
            jax.random.split(key, agents), policy_state, carry, obs
        )

    def each(function: Callable | None) -> Callable | None:
        return function and jax.vmap(function, in_axes=(state_axis, 0, 0))

    carries = policy.initial_carries(agents)
    return PolicyFunctions(act, carries, each(policy.value), each(policy.action_scores))


def key_of(key: Key[Array, ""], agent: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of one agent of a seed."""
    return jax.random.fold_in(for_use(key, "agent"), agent)


def keys_of(key: Key[Array, ""], agents: int) -> Key[Array, "agent"]:
    return jax.vmap(partial(key_of, key))(jnp.arange(agents))


def evaluate_each(
    evaluate: Callable[..., Episodes], algo: Algorithm, env: MultiAgentEnv
) -> Callable[..., Episodes]:
    """Evaluation of `independent` agents: `episodes` envs with all agents in each.

    Results are [episode x agent], the agents of one env adjacent.
    """

    def each(
        _, env_of_all, env_params: PyTree, policy_state: PyTree, key: Key[Array, ""], **how
    ) -> Episodes:
        def one(env_params, policy_state, key) -> Episodes:
            return evaluate(algo, env.env, env_params, policy_state, key, **how)

        over = jax.vmap(one, in_axes=(env.axes(env_params), 0, 0), axis_name=AGENTS)
        return jax.tree.map(
            lambda x: x.T.reshape(-1), over(env_params, policy_state, keys_of(key, env.agents))
        )

    return each
