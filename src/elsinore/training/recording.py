"""Recording of one episode for replay: states, actions, rewards, and the policy's scores.

Pure and compiled, separate from training.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.experience.autoreset import batched_reset, env_step, reset
from elsinore.experience.multi_agent import kept_where, num_agents_in, over_agents
from elsinore.jaxtools.prng import for_uses
from elsinore.training.independent_learners import policy_of_agents
from elsinore.types import Algorithm, EnvStep, PolicyFunctions

# Fields of a `Recording` with a row for each step; `state` has one more.
EACH_STEP = ("action", "reward", "terminated", "truncated", "action_scores", "value", "observation")


class Recording(NamedTuple):
    """An episode of `length` steps, then padding. Step t leads from state t to state t + 1.

    A multi-agent env adds an axis: [time, agent, ...].
    """

    state: PyTree  # [time + 1, ...], random keys as their data
    action: Array  # [time, ...], as the env took it
    reward: Float[Array, "time *agent"]
    terminated: Bool[Array, "time *agent"]
    truncated: Bool[Array, "time *agent"]
    # of the policy; {} if it has none
    action_scores: dict[str, Float[Array, "time ..."]]
    # estimate of the discounted return from here on
    value: Float[Array, "time *agent"] | None
    length: Int[Array, ""]
    observation: PyTree = ()  # [time, ...], as the policy saw it; () unless asked for


def record_episode(
    algo: Algorithm,
    env: Any,
    policy_state: PyTree,
    env_params: PyTree,
    key: Key[Array, ""],
    max_steps: int,
    greedy: bool,
    observations: bool = False,
) -> Recording:
    """Play one episode until it ends, or for `max_steps`; `vmap` over `key` plays several.

    An episode cut by `max_steps` is neither terminated nor truncated.

    In a multi-agent env `algo` acts for all agents at once (`independent` and `acting_for_all` do),
    and the recording continues until every agent's episode has ended. The state of an ended agent
    stays as it was, and its recorded steps are 0.
    """
    reset_key, act_key, step_key = for_uses(key, "record", "act", "step")
    reset_fn, step_fn = _env_functions(env, env_params)
    obs, state = reset_fn(reset_key)
    keys = (act_key, step_key)
    one_step = partial(_step, algo.policy, policy_state, greedy, step_fn, keys, observations)

    def unfinished(loop):
        time, over, *_ = loop
        return (time < max_steps) & ~over.all()

    def play(loop):
        time, over, obs, state, carry, recording = loop
        out, carry, seen = one_step(time, over, obs, state, carry)
        recording = _with_step(recording, time, seen)
        return time + 1, over | out.terminated | out.truncated, out.obs, out.state, carry, recording

    over = jnp.zeros((env.agents,) if num_agents_in(env) > 1 else (), bool)
    carry = jax.tree.map(jnp.asarray, algo.policy.initial_carry)
    start = (jnp.int32(0), over, obs, state, carry)
    recording = _blank(jax.eval_shape(one_step, *start)[2], max_steps)
    recording = recording._replace(state=_put(recording.state, 0, _without_keys(state)))
    return jax.lax.while_loop(unfinished, play, (*start, recording))[-1]


def _step(
    policy: PolicyFunctions,
    policy_state: PyTree,
    greedy: bool,
    step_fn: Callable[..., EnvStep],
    use_keys: tuple[Key[Array, ""], Key[Array, ""]],
    observations: bool,
    time: Int[Array, ""],
    over: Bool[Array, "*agent"],
    obs: PyTree,
    state: PyTree,
    carry: PyTree,
) -> tuple[EnvStep, PyTree, Recording]:
    """The step at `time`, the carry after it, and its recording; `use_keys` are of the policy and
    of the env."""
    act_key, step_key = (jax.random.fold_in(key, time) for key in use_keys)
    inputs = (policy_state, carry, obs)
    action_scores = {} if policy.action_scores is None else policy.action_scores(*inputs)
    value = None if policy.value is None else policy.value(*inputs)
    shown = obs if observations else ()
    action, carry = policy.act(act_key, policy_state, carry, obs, greedy)
    out = step_fn(step_key, state, action)
    obs, state = kept_where(over, (obs, state), (out.obs, out.state))
    step_data = (action, out.reward, out.terminated, out.truncated, action_scores, value, shown)
    step_data = kept_where(over, jax.tree.map(jnp.zeros_like, step_data), step_data)
    *step_data, shown = step_data
    seen = Recording(_without_keys(state), *step_data, length=time + 1, observation=shown)
    return out._replace(obs=obs, state=state), carry, seen


def acting_for_all(algo: Algorithm, agents: int) -> Algorithm:
    """A shared learner's algorithm with a policy of [agent, ...] observations."""
    return algo._replace(policy=policy_of_agents(algo.policy, agents, None))


def _env_functions(env: Any, params: PyTree) -> tuple[Callable, Callable]:
    """`reset(key) -> (obs, state)` and `step(key, state, action) -> EnvStep` of one episode."""
    if num_agents_in(env) == 1:
        return partial(reset, env, params=params), partial(env_step, env, params=params)
    keys = partial(jax.random.split, num=env.agents)
    step = over_agents(env, partial(env_step, env), params)
    return lambda key: batched_reset(env, keys(key), params), lambda key, state, action: step(
        keys(key), state, action
    )


def _blank(seen: Recording, max_steps: int) -> Recording:
    """Zeros for `max_steps` steps of these shapes, and one state more."""
    room = lambda size, tree: jax.tree.map(lambda x: jnp.zeros((size, *x.shape), x.dtype), tree)  # noqa: E731
    each = {name: room(max_steps, getattr(seen, name)) for name in EACH_STEP}
    return Recording(room(max_steps + 1, seen.state), **each, length=jnp.int32(0))


def _with_step(recording: Recording, time: Int[Array, ""], seen: Recording) -> Recording:
    """The recording with the step at `time`."""
    return recording._replace(
        state=_put(recording.state, time + 1, seen.state),
        **{name: _put(getattr(recording, name), time, getattr(seen, name)) for name in EACH_STEP},
        length=seen.length,
    )


def _put(recording: PyTree, time: int | Int[Array, ""], seen: PyTree) -> PyTree:
    return jax.tree.map(
        lambda recording, x: jax.lax.dynamic_update_index_in_dim(recording, x, time, 0),
        recording,
        seen,
    )


def _without_keys(state: PyTree) -> PyTree:
    """Random keys as their data, so that a recording can be saved."""

    def plain(x):
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(plain, state)
