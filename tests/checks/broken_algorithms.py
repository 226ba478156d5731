"""An algorithm that passes every check, and many that each fail one.

`sound` learns one number, the value of every state, and takes random legal actions. Each function
below it changes one thing.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from elsinore.experience.rollout import init_actor, rollout
from elsinore.jaxtools.prng import for_update, for_use, for_uses
from elsinore.nets.heads import head_for
from elsinore.types import Algorithm, Decision, Mean, PolicyFunctions, TrainState


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
        actor = init_actor(env, key, env_params, config.num_envs)
        params = {
            "logits": jax.random.normal(for_use(key, "init"), (head.num_outputs,)),
            "value": jnp.float32(0.0),
        }
        return TrainState(key, jnp.int32(0), Learner(params), actor, (), hyper, env_params)

    def update(state: TrainState):
        act_key, rollout_key = for_uses(for_update(state.key, state.update), "act", "rollout")
        params = state.learner.params

        def policy(noise, carry, obs):
            logits = jnp.broadcast_to(params["logits"], (config.num_envs, head.num_outputs))
            action = head.distribution(logits, obs).sample(noise)
            return Decision(action, head.env_action(action), ())

        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        actor, seen, metrics = rollout(
            env, state.env_params, policy, state.actor, rollout_key, noise
        )
        error = (
            jnp.mean(seen.reward + state.hyper.gamma * params["value"] * ~seen.terminated)
            - params["value"]
        )
        params = params | {"value": params["value"] + state.hyper.learning_rate * error}
        state = state._replace(update=state.update + 1, learner=Learner(params), actor=actor)
        return state, metrics | {"loss/value": Mean.of(jnp.square(error))}

    def act(key, policy_state, carry, obs, greedy):
        policy = head.distribution(policy_state.params["logits"], obs)
        return (
            head.env_action(
                policy.mode() if greedy else policy.sample(head.noise(for_use(key, "act"), ()))
            ),
            carry,
        )

    def value(policy_state, carry, obs):
        return policy_state.params["value"]

    hyper = Hyper(jnp.float32(0.9), jnp.float32(config.learning_rate))
    steps = config.num_envs * config.rollout_length
    return Algorithm(init, update, PolicyFunctions(act, value=value), hyper, steps)


def changed(change):
    """The sound algorithm with some of its parts changed by `change(algo) -> {part: new}`."""

    def make(config: Config, env, env_params, num_updates, network=None):
        algo = sound(config, env, env_params, num_updates, network)
        parts = change(algo)
        if not isinstance(parts, dict):
            return parts
        of_policy = {name: parts.pop(name) for name in PolicyFunctions._fields if name in parts}
        return algo._replace(policy=algo.policy._replace(**of_policy), **parts)

    return make


def updating(then):
    """The sound algorithm, with its update followed by `then(before, after, metrics)`."""

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
def without_init(algo):
    return {"init": None}


@changed
def init_of_a_dict(algo):
    return {"init": lambda *args: algo.init(*args)._asdict()}


@changed
def without_params(algo):
    return {"init": lambda *args: algo.init(*args)._replace(learner=(jnp.zeros(3),))}


@changed
def without_act(algo):
    return {"act": None}


@changed
def only_an_action(algo):
    return {"act": lambda key, policy_state, carry, obs, greedy: jnp.int32(0)}


@changed
def action_of_text(algo):
    return {"act": lambda key, policy_state, carry, obs, greedy: ("left", carry)}


@changed
def action_without_greedy(algo):
    return {"act": lambda key, policy_state, carry, obs: (jnp.int32(0), carry)}


@changed
def act_of_other_names(algo):
    return {"act": lambda k, policy, memory, seen, best: (jnp.int32(0), memory)}


@changed
def value_of_three(algo):
    return {"value": lambda policy_state, carry, obs: jnp.zeros(3)}


@changed
def value_of_text(algo):
    return {"value": "high"}


@changed
def value_of_a_state(algo):
    return {"value": lambda policy_state: jnp.float32(0.0)}


@changed
def without_policy(algo):
    return algo._replace(policy=None)


@changed
def text_in_hyper(algo):
    return {"hyper": algo.hyper._replace(gamma="most")}


def beginning(**parts):
    """The sound algorithm, with other parts in its first state."""
    return changed(lambda algo: {"init": lambda *args: algo.init(*args)._replace(**parts)})


text_in_state = beginning(stats="none yet")
without_actor = beginning(actor=None)
without_hyper = beginning(hyper=None)
constant_hyper = changed(
    lambda algo: {"init": lambda *args: algo.init(*args)._replace(hyper=algo.hyper)}
)
without_a_count = beginning(update=None)


@changed
def key_as_numbers(algo):
    def init(key, *args):
        return algo.init(key, *args)._replace(key=jax.random.key_data(key))

    return {"init": init}


@changed
def action_between_two(algo):
    return {"act": lambda key, policy_state, carry, obs, greedy: (jnp.float32(0.3), carry)}


@changed
def action_of_two_numbers(algo):
    return {"act": lambda key, policy_state, carry, obs, greedy: (jnp.zeros(2, int), carry)}


@changed
def steps_as_a_float(algo):
    return {"steps_per_update": float(algo.steps_per_update)}


@changed
def fractional_steps(algo):
    return {"steps_per_update": 0.5}


@updating
def bare_metrics(before, after, metrics):
    return after, metrics | {"loss/value": metrics["loss/value"].total}


def renaming(name):
    """The sound algorithm, with that name of its loss."""
    return updating(lambda before, after, metrics: (after, {name: metrics["loss/value"]}))


blank_name = renaming(" ")
two_lines = renaming("loss\nvalue")
a_number_for_a_name = renaming(3)
name_of_an_evaluation = renaming("eval/return")
name_of_the_agents = renaming("per agent")
name_of_a_column = renaming("seed")


@updating
def uncounted(before, after, metrics):
    return after._replace(update=before.update), metrics


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
def shrinking(before, after, metrics):
    params = {"value": after.learner.params["value"]}
    return after._replace(learner=Learner(params)), metrics


@updating
def of_another_kind(before, after, metrics):
    return after._replace(learner=after.learner._asdict()), metrics


@updating
def without_metrics(before, after, metrics):
    return after, {}


@updating
def text_in_metric(before, after, metrics):
    return after, metrics | {"loss/value": Mean("much", jnp.float32(1.0))}


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
def wrong_steps_per_update(algo):
    return {"steps_per_update": algo.steps_per_update + 1}


@changed
def equal_inits(algo):
    return {"init": lambda key, *rest: algo.init(jax.random.key(0), *rest)._replace(key=key)}


@changed
def equal_networks(algo):
    def init(key, *rest):
        return with_params(algo.init(key, *rest), logits=jnp.arange(4.0))

    return {"init": init}


@changed
def equal_rollouts(algo):
    def update(state):
        after, metrics = algo.update(state._replace(key=jax.random.key(0)))
        return after._replace(key=state.key), metrics

    return {"update": update}


@updating
def consuming_the_seed_key(before, after, metrics):
    return nudged(after, 1e-3 * jax.random.normal(before.key)), metrics


@updating
def reusing_a_key(before, after, metrics):
    """From the key that acting has consumed."""
    again = for_use(for_update(before.key, before.update), "act")
    return nudged(after, 1e-3 * jax.random.normal(again)), metrics


@updating
def different_under_vmap(before, after, metrics):
    @jax.custom_batching.custom_vmap
    def keep(x):
        return x

    @keep.def_vmap
    def _(size, batched, x):
        return x + 1.0, True

    return with_params(after, value=keep(after.learner.params["value"])), metrics


@changed
def action_out_of_space(algo):
    return {"act": lambda key, policy_state, carry, obs, greedy: (jnp.int32(9), carry)}


@changed
def growing_carry(algo):
    return {
        "initial_carry": jnp.zeros(2),
        "act": lambda *args: (algo.policy.act(*args)[0], jnp.zeros(3)),
    }


@changed
def ignoring_masks(algo):
    """Acts without the mask."""
    return {
        "act": lambda key, policy_state, carry, obs, greedy: (
            jax.random.randint(for_use(key, "act"), (), 0, 4),
            carry,
        )
    }


def ignoring_masks_in_training(config: Config, env, env_params, num_updates, network=None):
    """`act` applies the mask, training does not."""

    class Blind(type(env)):
        def look(self, state):
            return super().look(state) | {"action_mask": jnp.ones(4, bool)}

    return sound(config, Blind(), env_params, num_updates)


@updating
def halved_returns(before, after, metrics):
    mean = metrics["episode/return"]
    return after, metrics | {"episode/return": Mean(0.5 * mean.total, mean.count)}


@updating
def missing_metrics(before, after, metrics):
    return after, {"loss/value": metrics["loss/value"]}


@updating
def nan_metric(before, after, metrics):
    return after, metrics | {"loss/value": Mean.of(jnp.float32(jnp.nan))}


@updating
def vector_metric(before, after, metrics):
    return after, metrics | {"loss/value": Mean(jnp.zeros(3), jnp.float32(3.0))}


@updating
def nan_parameters(before, after, metrics):
    value = jnp.where(before.update > 5, jnp.nan, after.learner.params["value"])
    return with_params(after, value=value), metrics


@updating
def never_learning(before, after, metrics):
    return after._replace(learner=before.learner), metrics


def terminating_at_the_limit(config: Config, env, env_params, num_updates, network=None):
    """Treats truncation as termination."""

    class Deadly(type(env)):
        def step_env(self, key, state, action, params):
            obs, state, reward, terminated, info = super().step_env(key, state, action, params)
            return obs, state, reward, terminated | self.is_truncated(state, params), info

    return sound(config, Deadly(), env_params, num_updates)
