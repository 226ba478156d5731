"""REINFORCE (Williams 1992): every action becomes likelier by as much as the rewards that followed it came to."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from elsinore.algos.descent import begin_learning, gradient_step, scaler
from elsinore.algos.experience import observation_of
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.rollout import begin, rollout
from elsinore.nets.build import NetworkConfig, actor_critic_network
from elsinore.nets.heads import head_for
from elsinore.ops.advantages import lambda_returns
from elsinore.ops.randomness import for_update, for_use, for_uses
from elsinore.traced import numbers_of, traced
from elsinore.types import Algorithm, Decision, Mean, TrainState


@dataclass(frozen=True, kw_only=True)
class ReinforceConfig:
    num_envs: int = 16
    rollout_length: int = 64  # steps per env per update; rewards after them are not seen
    learning_rate: float = traced(1e-3)  # traced: may vary within one compiled program
    gamma: float = traced(0.99)
    network: NetworkConfig = NetworkConfig()


def reinforce(config: ReinforceConfig, env, env_params, num_updates, network=None) -> Algorithm:
    head = head_for(env.action_space(env_params))
    net = actor_critic_network(config.network, head, observation_of(env, env_params), network)
    if net.remembers:
        raise ValueError(f"network.gru={config.network.gru} asks for a memory; leave it out.")
    scale = scaler("adam", 1e-8, jnp.inf)

    def policy_of(params, obs):  # of a batch of observations
        return head.distribution(net.step(params, (), obs)[1], obs)

    def init(key, env_params, hyper) -> TrainState:
        actor = begin(env, key, env_params, config.num_envs)
        params = net.init(for_use(key, "init"), jax.tree.map(lambda x: x[0], actor.obs))
        return TrainState(key, jnp.int32(0), begin_learning(params, scale), actor, (), hyper, env_params)

    def loss(params, batch):
        obs, action, returns = batch
        policy = policy_of(params, obs)
        total = -jnp.mean(returns * policy.log_prob(action))
        return total, {"loss/policy": total, "policy/entropy": jnp.mean(policy.entropy())}

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        act_key, rollout_key = for_uses(for_update(state.key, state.update), "act", "rollout")
        noise = head.noise(act_key, (config.rollout_length, config.num_envs))

        def decide(noise, memory, obs) -> Decision:
            action = policy_of(state.learner.params, obs).sample(noise)
            return Decision(action, head.sent(action), extras=())

        actor, seen, metrics = rollout(env, state.env_params, decide, state.actor, rollout_key, noise)
        nothing = jnp.zeros_like(seen.reward)  # what comes after the rollout: there is no critic to guess it
        returns = lambda_returns(seen.reward, nothing, seen.terminated, seen.truncated, state.hyper.gamma, 1.0)
        batch = merge_time_and_env((seen.obs, seen.action, returns))
        learner, learnt = gradient_step(loss, scale, state.learner, batch, state.hyper.learning_rate)
        state = state._replace(update=state.update + 1, learner=learner, actor=actor)
        return state, metrics | {name: Mean.of(value) for name, value in learnt.items()}

    def act(key, acting, memory, obs, greedy):  # for one observation
        policy = policy_of(acting.params, jax.tree.map(lambda x: jnp.asarray(x)[None], obs))
        action = policy.mode() if greedy else policy.sample(head.noise(for_use(key, "act"), (1,)))
        return head.sent(action)[0], memory

    return Algorithm(init, update, act, numbers_of(config), config.num_envs * config.rollout_length)
