"""One episode with everything there is to see of it: what a viewer plays back.

Pure and compiled, apart from training: it takes a policy as it is and changes nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.experience.autoreset import reset, resets, true_step
from elsinore.experience.bodies import agents_in, over_bodies
from elsinore.ops.randomness import for_uses
from elsinore.types import Acting, Algorithm, EnvStep


class Recording(NamedTuple):
    """An episode of `length` steps; what lies behind them is padding. Step t leads from state t to state t + 1.

    Where several agents live in the world there is an axis more: [time, agent, ...].
    """

    state: PyTree  # [time + 1, ...], random keys as their data
    action: Array  # [time, ...], as the env took it
    reward: Float[Array, "time *agent"]
    terminated: Bool[Array, "time *agent"]
    truncated: Bool[Array, "time *agent"]
    preferences: dict[str, Float[Array, "time ..."]]  # what the policy thought of each action; {} if it has no say
    value: Float[Array, "time *agent"] | None  # what the episode was thought to be worth from here on, discounted
    length: Int[Array, ""]


def record(
    algo: Algorithm,
    env: Any,
    acting: Acting,
    env_params: PyTree,
    key: Key[Array, ""],
    max_steps: int,
    greedy: bool,
) -> Recording:
    """Play one episode until it ends, or for `max_steps`. Several are a `vmap` over `key`.

    The episode is cut, neither terminated nor truncated, where `max_steps` end it.

    Where several agents live in the world, `algo` acts for all of them at once (`independent` and `in_every_body`
    do), and the recording goes on until the last life has ended. Whoever's life is over stays in the world as it was
    at that moment, and what is recorded of its steps from there on is 0.
    """
    reset_key, act_key, step_key = for_uses(key, "record", "act", "step")
    begin, step = _ways(env, env_params)
    obs, state = begin(reset_key)

    def one_step(time, over, obs, state, memory) -> tuple[EnvStep, PyTree, Recording]:
        """What happens at `time`, and what there is to see of it."""
        keys = [jax.random.fold_in(key, time) for key in (act_key, step_key)]
        preferences = {} if algo.preferences is None else algo.preferences(acting, memory, obs)
        value = None if algo.value is None else algo.value(acting, memory, obs)
        action, memory = algo.act(keys[0], acting, memory, obs, greedy)
        out = step(keys[1], state, action)
        obs, state = jax.tree.map(partial(_where, over), (obs, state), (out.obs, out.state))
        told = (action, out.reward, out.terminated, out.truncated, preferences, value)
        told = jax.tree.map(lambda x: _where(over, jnp.zeros_like(x), x), told)
        return out._replace(obs=obs, state=state), memory, Recording(_without_keys(state), *told, length=time + 1)

    def going_on(carry):
        time, over, *_ = carry
        return (time < max_steps) & ~over.all()

    def play(carry):
        time, over, obs, state, memory, film = carry
        out, memory, seen = one_step(time, over, obs, state, memory)
        film = film._replace(
            state=_put(film.state, time + 1, seen.state),
            **{name: _put(getattr(film, name), time, getattr(seen, name)) for name in EACH_STEP},
            length=seen.length,
        )
        return time + 1, over | out.terminated | out.truncated, out.obs, out.state, memory, film

    over = jnp.zeros((env.agents,) if agents_in(env) > 1 else (), bool)
    memory = jax.tree.map(jnp.asarray, algo.memory)
    film = _blank(jax.eval_shape(one_step, jnp.int32(0), over, obs, state, memory)[2], max_steps)
    film = film._replace(state=_put(film.state, 0, _without_keys(state)))
    return jax.lax.while_loop(going_on, play, (jnp.int32(0), over, obs, state, memory, film))[-1]


def in_every_body(algo: Algorithm, bodies: int) -> Algorithm:
    """One learner's algorithm as that of all the agents of a world: it acts for [agent, ...] observations."""

    def act(key, acting, memory, obs, greedy):
        one = partial(algo.act, greedy=greedy)
        return jax.vmap(one, in_axes=(0, None, 0, 0))(jax.random.split(key, bodies), acting, memory, obs)

    def each(opinion: Callable | None) -> Callable | None:
        return opinion and jax.vmap(opinion, in_axes=(None, 0, 0))

    memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (bodies, *jnp.shape(x))), algo.memory)
    return algo._replace(act=act, memory=memory, value=each(algo.value), preferences=each(algo.preferences))


def _ways(env: Any, params: PyTree) -> tuple[Callable, Callable]:
    """How an episode begins, `(key) -> (obs, state)`, and goes on, `(key, state, action) -> EnvStep`."""
    if agents_in(env) == 1:
        return partial(reset, env, params=params), partial(true_step, env, params=params)
    keys = partial(jax.random.split, num=env.agents)
    step = over_bodies(env, partial(true_step, env), params)
    return lambda key: resets(env, keys(key), params), lambda key, state, action: step(keys(key), state, action)


def _where(over: Bool[Array, "*agent"], then: Array, otherwise: Array) -> Array:
    """`then` of those whose life is over, `otherwise` of the others."""
    return jnp.where(over.reshape(over.shape + (1,) * (otherwise.ndim - over.ndim)), then, otherwise)


EACH_STEP = ("action", "reward", "terminated", "truncated", "preferences", "value")


def _blank(seen: Recording, max_steps: int) -> Recording:
    """Room for `max_steps` steps like the one of these shapes, and for the state they begin at."""
    room = lambda size, tree: jax.tree.map(lambda x: jnp.zeros((size, *x.shape), x.dtype), tree)  # noqa: E731
    return Recording(room(max_steps + 1, seen.state), *room(max_steps, seen[1:-1]), length=jnp.int32(0))


def _put(film: PyTree, time: Int[Array, ""], seen: PyTree) -> PyTree:
    return jax.tree.map(lambda film, x: jax.lax.dynamic_update_index_in_dim(film, x, time, 0), film, seen)


def _without_keys(state: PyTree) -> PyTree:
    """Random keys as numbers, so that a film is arrays that can be written down."""

    def plain(x):
        return jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(plain, state)
