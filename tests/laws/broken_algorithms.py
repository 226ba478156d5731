"""An algorithm that keeps every law, and many that each break one.

`sound` learns one number, what every step is worth, and acts at random among what is legal. Each function below it
changes one thing.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from elsinore.experience.rollout import begin, rollout
from elsinore.nets.heads import head_for
from elsinore.ops.randomness import for_update, for_use, for_uses
from elsinore.types import Algorithm, Decision, Mean, TrainState


@dataclass(frozen=True, kw_only=True)
class Config:
    name: str = field(default="sound", init=False)
    num_envs: int = 4
    rollout_length: int = 8
    learning_rate: float = 0.1


class Hyper(NamedTuple):
    gamma: Any
    learning_rate: Any


class Learner(NamedTuple):
    params: Any


def sound(config: Config, env, env_params, num_updates, network=None) -> Algorithm:
    head = head_for(env.action_space(env_params))

    def init(key, env_params, hyper):
        actor = begin(env, key, env_params, config.num_envs)
        params = {"logits": jax.random.normal(for_use(key, "init"), (head.num_outputs,)), "value": jnp.float32(0.0)}
        return TrainState(key, jnp.int32(0), Learner(params), actor, (), hyper, env_params)

    def update(state: TrainState):
        act_key, rollout_key = for_uses(for_update(state.key, state.update), "act", "rollout")
        params = state.learner.params

        def policy(noise, memory, obs):
            logits = jnp.broadcast_to(params["logits"], (config.num_envs, head.num_outputs))
            action = head.distribution(logits, obs).sample(noise)
            return Decision(action, head.sent(action), ())

        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        actor, seen, metrics = rollout(env, state.env_params, policy, state.actor, rollout_key, noise)
        error = jnp.mean(seen.reward + state.hyper.gamma * params["value"] * ~seen.terminated) - params["value"]
        params = params | {"value": params["value"] + state.hyper.learning_rate * error}
        state = state._replace(update=state.update + 1, learner=Learner(params), actor=actor)
        return state, metrics | {"loss/value": Mean.of(jnp.square(error))}

    def act(key, acting, memory, obs, greedy):
        policy = head.distribution(acting.params["logits"], obs)
        return head.sent(policy.mode() if greedy else policy.sample(head.noise(for_use(key, "act"), ()))), memory

    def value(acting, memory, obs):
        return acting.params["value"]

    hyper = Hyper(jnp.float32(0.9), jnp.float32(config.learning_rate))
    return Algorithm(init, update, act, hyper, config.num_envs * config.rollout_length, value=value)


def changed(change):
    """The sound algorithm with some of its parts changed by `change(algo) -> {part: new}`."""

    def make(config: Config, env, env_params, num_updates, network=None):
        algo = sound(config, env, env_params, num_updates, network)
        return algo._replace(**change(algo)) if isinstance(change(algo), dict) else change(algo)

    return make


def updating(then):
    """One whose update does `then(before, after, metrics)` in the end."""

    def change(algo):
        def update(state):
            return then(state, *algo.update(state))

        return {"update": update}

    return changed(change)


def with_params(state, **params):
    return state._replace(learner=Learner(state.learner.params | params))


def nudged(state, by):
    return with_params(state, value=state.learner.params["value"] + by)


@changed
def no_algorithm(algo):
    return algo.init, algo.update


@changed
def half_a_step(algo):
    return {"steps_per_update": 0.5}


@updating
def bare_metrics(before, after, metrics):
    return after, metrics | {"loss/value": metrics["loss/value"].total}


@updating
def only_a_state(before, after, metrics):
    return after


@updating
def printing(before, after, metrics):
    jax.debug.print("update {}", after.update)
    return after, metrics


@updating
def growing(before, after, metrics):
    return with_params(after, more=jnp.zeros(3)), metrics


@updating
def other_type(before, after, metrics):
    return after._replace(update=after.update.astype(jnp.float32)), metrics


@changed
def weakly_typed(algo):
    def init(key, env_params, hyper):
        return with_params(algo.init(key, env_params, hyper), value=jnp.asarray(0.0))

    return {"init": init}


@changed
def whole_numbers(algo):
    return {"hyper": algo.hyper._replace(gamma=jnp.int32(1))}


@updating
def counting_by_two(before, after, metrics):
    return after._replace(update=after.update + 1), metrics


@updating
def new_key(before, after, metrics):
    return after._replace(key=jax.random.fold_in(before.key, 7)), metrics


@changed
def miscounting(algo):
    return {"steps_per_update": algo.steps_per_update + 1}


@changed
def one_beginning(algo):
    return {"init": lambda key, *rest: algo.init(jax.random.key(0), *rest)._replace(key=key)}


@changed
def one_network(algo):
    def init(key, *rest):
        return with_params(algo.init(key, *rest), logits=jnp.arange(4.0))

    return {"init": init}


@changed
def one_fate(algo):
    def update(state):
        after, metrics = algo.update(state._replace(key=jax.random.key(0)))
        return after._replace(key=state.key), metrics

    return {"update": update}


@updating
def spending_the_seed(before, after, metrics):
    return nudged(after, 1e-3 * jax.random.normal(before.key)), metrics


@updating
def drawing_twice(before, after, metrics):
    """Under the name that acting has drawn from already."""
    again = for_use(for_update(before.key, before.update), "act")
    return nudged(after, 1e-3 * jax.random.normal(again)), metrics


@updating
def other_among_others(before, after, metrics):
    @jax.custom_batching.custom_vmap
    def keep(x):
        return x

    @keep.def_vmap
    def _(size, batched, x):
        return x + 1.0, True

    return with_params(after, value=keep(after.learner.params["value"])), metrics


@changed
def off_the_map(algo):
    return {"act": lambda key, acting, memory, obs, greedy: (jnp.int32(9), memory)}


@changed
def forgetful(algo):
    return {"memory": jnp.zeros(2), "act": lambda *args: (algo.act(*args)[0], jnp.zeros(3))}


@changed
def lawless(algo):
    """It acts without a look at the mask."""
    return {"act": lambda key, acting, memory, obs, greedy: (jax.random.randint(for_use(key, "act"), (), 0, 4), memory)}


def lawless_in_training(config: Config, env, env_params, num_updates, network=None):
    """It acts by the mask, but learns without."""

    class Blind(type(env)):
        def look(self, state):
            return super().look(state) | {"action_mask": jnp.ones(4, bool)}

    return sound(config, Blind(), env_params, num_updates)


@updating
def telling_half(before, after, metrics):
    told = metrics["episode/return"]
    return after, metrics | {"episode/return": Mean(0.5 * told.total, told.count)}


@updating
def telling_nothing(before, after, metrics):
    return after, {"loss/value": metrics["loss/value"]}


@updating
def telling_no_number(before, after, metrics):
    return after, metrics | {"loss/value": Mean.of(jnp.float32(jnp.nan))}


@updating
def telling_many(before, after, metrics):
    return after, metrics | {"loss/value": Mean(jnp.zeros(3), jnp.float32(3.0))}


@updating
def exploding(before, after, metrics):
    value = jnp.where(before.update > 5, jnp.nan, after.learner.params["value"])
    return with_params(after, value=value), metrics


@updating
def idle(before, after, metrics):
    return after._replace(learner=before.learner), metrics


def mortal(config: Config, env, env_params, num_updates, network=None):
    """It takes the end of time for an end of the world."""

    class Deadly(type(env)):
        def step_env(self, key, state, action, params):
            obs, state, reward, terminated, info = super().step_env(key, state, action, params)
            return obs, state, reward, terminated | self.is_truncated(state, params), info

    return sound(config, Deadly(), env_params, num_updates)
