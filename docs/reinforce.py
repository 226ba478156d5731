"""REINFORCE (Williams 1992): an action becomes more likely in proportion to the return after it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from elsinore import toolkit as tk


@dataclass(frozen=True, kw_only=True)
class ReinforceConfig:
    num_envs: int = 16
    rollout_length: int = 64  # steps per env per update; later rewards are not seen
    learning_rate: float = tk.traced(1e-3)  # traced: may differ between runs of one program
    gamma: float = tk.traced(0.99)
    network: tk.NetworkConfig = tk.NetworkConfig()


def reinforce(config: ReinforceConfig, env, env_params, num_updates, network=None) -> tk.Algorithm:
    head = tk.head_for(env.action_space(env_params))
    observation = tk.observation_of(env, env_params)
    net = tk.actor_critic_network(config.network, head, observation, network)
    if net.recurrent:
        raise ValueError(
            f"network.gru={config.network.gru} makes a recurrent network; leave it out."
        )
    optimiser = tk.optimiser("adam", 1e-8, jnp.inf)

    def distribution(params, obs):  # of a batch of observations
        return head.distribution(net.step(params, (), obs)[1], obs)

    def init(key, env_params, hyper) -> tk.TrainState:
        actor = tk.init_actor(env, key, env_params, config.num_envs)
        params = net.init(tk.for_use(key, "init"), jax.tree.map(lambda x: x[0], actor.obs))
        learner = tk.init_learner(params, optimiser)
        return tk.TrainState(key, jnp.int32(0), learner, actor, (), hyper, env_params)

    def loss(params, batch):
        obs, action, returns = batch
        policy = distribution(params, obs)
        total = -jnp.mean(returns * policy.log_prob(action))
        return total, {"loss/policy": total, "policy/entropy": jnp.mean(policy.entropy())}

    def update(state: tk.TrainState) -> tuple[tk.TrainState, dict[str, tk.Mean]]:
        act_key, rollout_key = tk.for_uses(tk.for_update(state.key, state.update), "act", "rollout")
        noise = head.noise(act_key, (config.rollout_length, config.num_envs))

        def policy(noise, carry, obs) -> tk.Decision:
            action = distribution(state.learner.params, obs).sample(noise)
            return tk.Decision(action, head.env_action(action), log_prob=())

        actor, seen, metrics = tk.rollout(
            env, state.env_params, policy, state.actor, rollout_key, noise
        )
        no_value = jnp.zeros_like(seen.reward)  # there is no critic to bootstrap from
        returns = tk.lambda_returns(
            seen.reward, no_value, seen.terminated, seen.truncated, state.hyper.gamma, 1.0
        )
        batch = tk.merge_time_and_env((seen.obs, seen.action, returns))
        learner, losses, _ = tk.gradient_step(
            loss, optimiser, state.learner, batch, state.hyper.learning_rate
        )
        state = state._replace(update=state.update + 1, learner=learner, actor=actor)
        return state, metrics | {name: tk.Mean.of(value) for name, value in losses.items()}

    def act(key, policy_state: tk.PolicyState, carry, obs, greedy):  # for one observation
        batch = jax.tree.map(lambda x: jnp.asarray(x)[None], obs)
        policy = distribution(policy_state.params, batch)
        noise = head.noise(tk.for_use(key, "act"), (1,))
        action = policy.mode() if greedy else policy.sample(noise)
        return head.env_action(action)[0], carry

    steps = config.num_envs * config.rollout_length
    return tk.Algorithm(init, update, tk.PolicyFunctions(act), tk.numbers_of(config), steps)
