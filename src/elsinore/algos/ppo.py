"""Proximal Policy Optimisation (Schulman 2017, arXiv:1707.06347), read from top to bottom: config, loss, update.

Of the published "37 implementation details" (Huang 2022) each one that applies is a choice here, with its
reference setting as the default; `docs/ppo.md` lists them one by one.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from elsinore.experience.minibatches import merge_time_and_env, pack
from elsinore.experience.normalisation import init_normalisers, normalise_obs, observe, scale_rewards
from elsinore.experience.rollout import begin, rollout
from elsinore.nets.actor_critic import NetworkConfig, build_network
from elsinore.nets.heads import head_for
from elsinore.nets.initialisation import initialise
from elsinore.ops.advantages import explained_variance, gae
from elsinore.ops.losses import approximate_kl, clipped_surrogate, clipped_value_loss, standardise, value_loss
from elsinore.ops.randomness import for_update, for_use, for_uses, permutations
from elsinore.types import Acting, Algorithm, Decision, Mean, TrainState


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """What PPO is run with. Numbers marked (traced) may differ between seeds of one compiled program."""

    name: str = field(default="ppo", init=False)
    num_envs: int = 4
    rollout_length: int = 128  # steps per env per update
    num_minibatches: int = 4
    num_epochs: int = 4
    learning_rate: float = 2.5e-4  # (traced)
    learning_rate_final: float | None = 0.0  # (traced) approached linearly, update u of n at u / n; null: constant
    adam_eps: float = 1e-5
    gamma: float = 0.99  # (traced)
    gae_lambda: float = 0.95  # (traced)
    clip_eps: float = 0.2  # (traced)
    clip_eps_final: float | None = None  # (traced) approached likewise; null: constant
    value_clip_eps: float | None = None  # (traced) in units of value; null: the plain squared error
    vf_coef: float = 0.5  # (traced)
    ent_coef: float = 0.01  # (traced)
    max_grad_norm: float = 0.5  # (traced) of all gradients together; .inf: no clipping
    target_kl: float | None = None  # (traced) an update stops learning once a minibatch's KL passes 1.5 times it
    normalize_advantage: str = "minibatch"  # minibatch | batch | none
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig()

    def __post_init__(self):
        for name in ("num_envs", "rollout_length", "num_minibatches", "num_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        transitions = self.num_envs * self.rollout_length
        if transitions % self.num_minibatches:
            raise ValueError(
                f"num_minibatches={self.num_minibatches} does not divide the {transitions} transitions of a rollout "
                f"(num_envs={self.num_envs} x rollout_length={self.rollout_length}); choose a divisor, or change "
                "either factor."
            )
        for name in ("gamma", "gae_lambda"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)} must lie in [0, 1].")
        if self.normalize_advantage == "minibatch" and self.num_minibatches == transitions > 1:
            raise ValueError(
                f"num_minibatches={self.num_minibatches} leaves one transition a minibatch, whose normalised advantage "
                "is always 0; choose fewer, or normalize_advantage: batch."
            )
        off = {"max_grad_norm": " (.inf turns it off)", "value_clip_eps": " (null turns it off)"}
        off["target_kl"] = off["value_clip_eps"]
        for name in ("learning_rate", "clip_eps", "adam_eps", *off):
            value = getattr(self, name)
            if value is None and name in ("value_clip_eps", "target_kl"):
                continue
            if value is None or not value > 0.0:
                raise ValueError(f"{name}={value} must be above 0{off.get(name, '')}.")
            if value == float("inf") and name != "max_grad_norm":
                raise ValueError(f"{name}={value} must be finite{off.get(name, '')}.")
        for name in ("learning_rate_final", "clip_eps_final", "vf_coef", "ent_coef"):
            if (value := getattr(self, name)) is not None and not value >= 0.0:
                raise ValueError(f"{name}={value} must not be negative.")
            if value == float("inf"):
                raise ValueError(f"{name}={value} must be finite.")
        if self.normalize_advantage not in ("minibatch", "batch", "none"):
            raise ValueError(
                f"normalize_advantage={self.normalize_advantage!r} is unknown; choose minibatch, batch or none."
            )


class PPOHyper(NamedTuple):
    """The traced numbers of PPOConfig, each a float32 scalar."""

    learning_rate: Float[Array, ""]
    learning_rate_final: Float[Array, ""]
    gamma: Float[Array, ""]
    gae_lambda: Float[Array, ""]
    clip_eps: Float[Array, ""]
    clip_eps_final: Float[Array, ""]
    value_clip_eps: Float[Array, ""]
    vf_coef: Float[Array, ""]
    ent_coef: Float[Array, ""]
    max_grad_norm: Float[Array, ""]
    target_kl: Float[Array, ""]
    num_updates: Float[Array, ""]  # the length of both schedules


class Learner(NamedTuple):
    params: Any
    opt_state: Any  # of the parameters raveled into one vector


class Sample(NamedTuple):
    """What the loss reads of one transition."""

    obs: Any
    action: Array
    log_prob: Float[Array, "batch"]  # under the policy that acted
    value: Float[Array, "batch"]  # by the critic of that time
    advantage: Float[Array, "batch"]
    target: Float[Array, "batch"]  # what the value should have been


def hyper_of(config: PPOConfig, num_updates: int) -> PPOHyper:
    """The config's traced numbers; an absent one becomes what leaves the equations unchanged."""
    absent = {
        "learning_rate_final": config.learning_rate,
        "clip_eps_final": config.clip_eps,
        "value_clip_eps": float("inf"),
        "target_kl": float("inf"),
        "num_updates": num_updates,
    }
    given = {name: getattr(config, name, None) for name in PPOHyper._fields}
    return PPOHyper(**{k: jnp.float32(absent[k] if v is None else v) for k, v in given.items()})


def ppo(config: PPOConfig, env: Any, env_params: Any, num_updates: int, network: Any = None) -> Algorithm:
    """PPO for one gymnax env: pure functions over `TrainState`, to be jitted together with it.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its observations.
    """
    head = head_for(env.action_space(env_params))
    obs_shape = jax.eval_shape(env.reset_env, jax.random.key(0), env_params)[0]
    net = build_network(config.network, head, obs_shape, network)
    forward = jax.vmap(net.apply, in_axes=(None, 0))  # (params, obs [batch]) -> outputs, value

    def policy_of(params, obs):
        return head.distribution(forward(params, obs)[0], obs)

    def critic(params, obs):
        return forward(params, obs)[1]

    def optimiser(hyper: PPOHyper):
        return optax.chain(optax.clip_by_global_norm(hyper.max_grad_norm), optax.scale_by_adam(eps=config.adam_eps))

    def init(key, env_params, hyper: PPOHyper) -> TrainState:
        actor = begin(env, key, env_params, config.num_envs)
        params = initialise(net, for_use(key, "init"), jax.tree.map(lambda x: x[0], actor.obs))
        learner = Learner(params, optimiser(hyper).init(ravel_pytree(params)[0]))
        stats = init_normalisers(actor.obs, config.normalize_obs, config.normalize_rewards)
        return TrainState(key, jnp.int32(0), learner, actor, stats, hyper, env_params)

    def loss(params, batch: Sample, hyper: PPOHyper, clip_eps):
        outputs, value = forward(params, batch.obs)
        policy = head.distribution(outputs, batch.obs)
        log_ratio = policy.log_prob(batch.action) - batch.log_prob
        ratio = jnp.exp(log_ratio)
        advantage = batch.advantage
        if config.normalize_advantage == "minibatch":
            advantage = standardise(advantage)

        policy_loss = clipped_surrogate(ratio, advantage, clip_eps)
        if config.value_clip_eps is None:
            critic_loss = value_loss(value, batch.target)
        else:
            critic_loss = clipped_value_loss(value, batch.value, batch.target, hyper.value_clip_eps)
        entropy = jnp.mean(policy.entropy())
        total = policy_loss + hyper.vf_coef * critic_loss - hyper.ent_coef * entropy
        return total, {
            "loss/total": total,
            "loss/policy": policy_loss,
            "loss/value": critic_loss,
            "policy/entropy": entropy,
            "policy/kl": approximate_kl(log_ratio),
            "policy/clip_fraction": jnp.mean(jnp.abs(ratio - 1.0) > clip_eps, dtype=jnp.float32),
        }

    def hindsight(params, experience, reward, see, hyper: PPOHyper) -> Sample:
        """The rollout, [time, env], as [batch] samples with their advantages."""
        flat = merge_time_and_env(experience)
        obs = see(flat.obs)
        value, next_value = critic(params, obs), critic(params, see(flat.final_obs))
        advantage = gae(
            reward, value.reshape(reward.shape), next_value.reshape(reward.shape),
            experience.terminated, experience.truncated, hyper.gamma, hyper.gae_lambda,
        ).reshape(-1)  # fmt: skip
        target = advantage + value
        if config.normalize_advantage == "batch":
            advantage = standardise(advantage)
        return Sample(obs, flat.action, flat.extras, value, advantage, target)

    def learn(learner: Learner, batch: Sample, key, hyper: PPOHyper, learning_rate, clip_eps):
        """`num_epochs` passes over the batch in fresh random minibatches."""
        table, unpack = pack(batch)
        size = batch.advantage.shape[0]
        orders = permutations(key, config.num_epochs, size)
        rows = orders.reshape(config.num_epochs * config.num_minibatches, size // config.num_minibatches)
        # One vector instead of a tree: the optimiser is then a handful of operations, not that many a layer.
        vector, unravel = ravel_pytree(learner.params)

        def gradient_step(vector, opt_state, rows):
            def objective(vector):
                return loss(unravel(vector), unpack(table[rows]), hyper, clip_eps)

            (_, metrics), gradient = jax.value_and_grad(objective, has_aux=True)(vector)
            step, new_opt_state = optimiser(hyper).update(gradient, opt_state)
            metrics["learner/gradient_norm"] = optax.global_norm(gradient)
            return vector - learning_rate * step, new_opt_state, metrics

        def told(metrics) -> Array:  # one row for all: the compiler's work grows with the number of arrays
            names.extend(metrics)
            return jnp.stack(list(metrics.values()))

        def minibatch(carry, rows):
            vector, opt_state, stopped = carry
            new_vector, new_opt_state, metrics = gradient_step(vector, opt_state, rows)
            if config.target_kl is None:
                return (new_vector, new_opt_state, stopped), told(metrics)
            stopped |= metrics["policy/kl"] > 1.5 * hyper.target_kl
            kept = jax.tree.map(
                lambda old, new: jnp.where(stopped, old, new), (vector, opt_state), (new_vector, new_opt_state)
            )
            metrics["learner/steps_taken"] = 1.0 - stopped.astype(jnp.float32)  # the share before the KL stop
            return (*kept, stopped), told(metrics)

        names: list[str] = []
        carry = (vector, learner.opt_state, jnp.bool_(False))
        (vector, opt_state, _), metrics = jax.lax.scan(minibatch, carry, rows)
        totals = jnp.sum(metrics, axis=0)
        means = {name: Mean(totals[i], jnp.float32(rows.shape[0])) for i, name in enumerate(names[: len(totals)])}
        return Learner(unravel(vector), opt_state), means

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, and all the learning from it."""
        params, hyper = state.learner.params, state.hyper
        act_key, rollout_key, learn_key = for_uses(for_update(state.key, state.update), "act", "rollout", "minibatches")
        progress = state.update.astype(jnp.float32) / hyper.num_updates
        learning_rate = linear(hyper.learning_rate, hyper.learning_rate_final, progress)
        clip_eps = linear(hyper.clip_eps, hyper.clip_eps_final, progress)

        def see(obs):
            return normalise_obs(state.stats, obs)

        def policy(noise, obs) -> Decision:
            distribution = policy_of(params, see(obs))
            action = distribution.sample(noise)
            return Decision(action, head.sent(action), distribution.log_prob(action))

        noise = head.noise(act_key, (config.rollout_length, config.num_envs))
        actor, experience, episodes = rollout(env, state.env_params, policy, state.actor, rollout_key, noise)
        stats, reward = scale_rewards(
            state.stats, experience.reward, experience.terminated | experience.truncated, hyper.gamma
        )
        batch = hindsight(params, experience, reward, see, hyper)
        learner, losses = learn(state.learner, batch, learn_key, hyper, learning_rate, clip_eps)
        metrics = episodes | losses
        metrics["value/explained_variance"] = Mean(explained_variance(batch.value, batch.target), jnp.float32(1.0))
        metrics["schedule/learning_rate"] = Mean(learning_rate, jnp.float32(1.0))
        metrics["schedule/clip_eps"] = Mean(clip_eps, jnp.float32(1.0))
        stats = observe(stats, experience.obs)
        return state._replace(update=state.update + 1, learner=learner, actor=actor, stats=stats), metrics

    def act(key, acting: Acting, obs, greedy: bool):
        """The action for one observation: the most likely, or a sample."""
        batch = jax.tree.map(lambda x: x[None], normalise_obs(acting.stats, obs))
        policy = policy_of(acting.params, batch)
        action = policy.mode() if greedy else policy.sample(head.noise(for_use(key, "act"), (1,)))
        return head.sent(action)[0]

    def value(acting: Acting, obs):
        return critic(acting.params, jax.tree.map(lambda x: x[None], normalise_obs(acting.stats, obs)))[0]

    steps = config.num_envs * config.rollout_length
    return Algorithm(init, update, act, hyper_of(config, num_updates), value, steps)


def linear(start, end, progress) -> Float[Array, ""]:
    """From `start` at progress 0 to `end` at 1."""
    return start + (end - start) * jnp.clip(progress, 0.0, 1.0)
