"""What algorithms share that learn from what their own policy has just done: acting, and judging it in hindsight."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key

from elsinore.algos.descent import begin_learning
from elsinore.algos.experience import begin_state, gather, observation_of
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import normalise_obs
from elsinore.nets.build import actor_critic_network
from elsinore.nets.heads import head_for
from elsinore.ops.advantages import explained_variance, gae
from elsinore.ops.randomness import for_use
from elsinore.types import Acting, Decision, Mean, TrainState, Transition


class Sample(NamedTuple):
    """What a loss reads. Each leaf is [transition, ...]; of a policy with a memory, [env, time, ...]."""

    obs: Any
    action: Array
    log_prob: Float[Array, "..."]  # under the policy that acted
    value: Float[Array, "..."]  # by the critic of that time
    advantage: Float[Array, "..."]
    target: Float[Array, "..."]  # what the value should have been
    memory: Any = ()  # at the rollout's first step, [env, ...]
    begins: Any = ()  # the steps an episode begins at, [env, time]


class OnPolicy(NamedTuple):
    """For one env, functions that close over its network and action head.

    `init(key, env_params, hyper, scale) -> TrainState`; `live(state, act_key, rollout_key) -> (state, Sample,
    metrics)`, one rollout in hindsight; `read(params, sample) -> (policy, value)`, what the network says of it now;
    `act`, `value` and `preferences` as in `Algorithm`.
    """

    init: Callable[..., TrainState]
    live: Callable[..., tuple[TrainState, Sample, dict[str, Mean]]]
    read: Callable[..., tuple[Any, Array]]
    act: Callable[..., tuple[Array, Any]]
    value: Callable[..., Array]
    preferences: Callable[..., dict[str, Array]]
    memory: Any


def on_policy(config: Any, env: Any, env_params: Any, custom: Any = None) -> OnPolicy:
    """`config` has `num_envs`, `rollout_length`, `network`, `normalize_obs`, `normalize_rewards` and `rnd`; a state's
    `hyper` has `gamma`, `gae_lambda` and `rnd_weight`.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its observations.
    """
    head = head_for(env.action_space(env_params))
    net = actor_critic_network(config.network, head, observation_of(env, env_params), custom)

    def init(key: Key[Array, ""], env_params, hyper, scale: optax.GradientTransformation) -> TrainState:
        return begin_state(
            config, env, net, lambda params, actor: begin_learning(params, scale), key, env_params, hyper
        )

    def live(state: TrainState, act_key, rollout_key) -> tuple[TrainState, Sample, dict[str, Mean]]:
        params, stats = state.learner.params, state.stats

        def policy(noise, memory, obs) -> Decision:
            seen = normalise_obs(stats, obs)
            memory, outputs, _ = net.step(params, memory, seen)
            distribution = head.distribution(outputs, seen)
            action = distribution.sample(noise)
            return Decision(action, head.sent(action), distribution.log_prob(action), memory)

        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        after, experience, metrics = gather(config, env, state, policy, rollout_key, noise, net.memory)
        sample = hindsight(params, stats, state.actor.memory, experience, state.hyper)
        metrics["value/explained_variance"] = Mean.of(explained_variance(sample.value, sample.target))
        return after, sample, metrics

    def hindsight(params, stats, memory, experience: Transition, hyper) -> Sample:
        """Every step of the rollout with the advantage it turned out to have."""
        obs, final_obs = normalise_obs(stats, experience.obs), normalise_obs(stats, experience.final_obs)
        reward, terminated, truncated = experience.reward, experience.terminated, experience.truncated
        begins = begins_of(terminated | truncated)
        memories, _, value = net.unroll(params, memory, obs, begins)
        next_value = what_it_led_to(params, memories, final_obs, reward.shape)
        advantage = gae(reward, value, next_value, terminated, truncated, hyper.gamma, hyper.gae_lambda)
        sample = Sample(obs, experience.action, experience.extras, value, advantage, advantage + value)
        if not net.remembers:
            return merge_time_and_env(sample)
        sample = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), sample._replace(begins=begins))
        return sample._replace(memory=memory)

    def what_it_led_to(params, memories, final_obs, shape) -> Float[Array, "time env"]:
        """V of what each step led to, remembering all that was seen up to that step."""
        memories, final_obs = merge_time_and_env((memories, final_obs))
        return net.step(params, memories, final_obs)[2].reshape(shape)

    def read(params, sample: Sample) -> tuple[Any, Array]:
        if not net.remembers:
            _, outputs, value = net.step(params, (), sample.obs)
        else:  # through time from the memory there was; [env, time] there and back
            obs, begins = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (sample.obs, sample.begins))
            answers = net.unroll(params, sample.memory, obs, begins)[1:]
            outputs, value = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), answers)
        return head.distribution(outputs, sample.obs), value

    def one(acting: Acting, memory, obs):
        """The network's answer to one observation."""
        seen, memory = jax.tree.map(lambda x: jnp.asarray(x)[None], (normalise_obs(acting.stats, obs), memory))
        memory, outputs, value = net.step(acting.params, memory, seen)
        return jax.tree.map(lambda x: x[0], memory), head.distribution(outputs, seen), value[0]

    def act(key, acting: Acting, memory, obs, greedy: bool):
        """The action for one observation: the most likely, or a sample."""
        memory, policy, _ = one(acting, memory, obs)
        action = policy.mode() if greedy else policy.sample(head.noise(for_use(key, "act"), (1,)))
        return head.sent(action)[0], memory

    def value(acting: Acting, memory, obs):
        return one(acting, memory, obs)[2]

    def preferences(acting: Acting, memory, obs):
        return jax.tree.map(lambda x: x[0], one(acting, memory, obs)[1].preferences())

    return OnPolicy(init, live, read, act, value, preferences, net.memory)


def begins_of(done: Bool[Array, "time env"]) -> Bool[Array, "time env"]:
    """Where an episode begins inside a rollout: after a step that was `done`. The memory that a rollout starts from
    is already a new episode's where one begins there."""
    return jnp.concatenate([jnp.zeros_like(done[:1]), done[:-1]])
