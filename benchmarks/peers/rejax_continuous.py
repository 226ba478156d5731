"""Rejax's SAC or TD3 on the shared work, all seeds in one vmapped program."""

import sys
from pathlib import Path

# from this folder `import rejax` would find its PPO's file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    CONTINUOUS,
    S1,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

NOTES = (
    (
        "batches are drawn without replacement, by a weighted choice over the whole buffer (rejax's"
        " own way)"
    ),
    "an episode cut by the time limit is treated as ended",
    "actions are drawn from the policy from the start; gradients are not clipped",
    "no evaluation while training: the callback is replaced by one that does nothing",
    "final_return is the mean of 128 fresh episodes a seed, after the timed run",
)


def make_algorithm(work: str, env_steps: int):
    """Rejax's algorithm at the shared settings; one 'evaluation' period spans the whole run."""
    import rejax

    of_both = {"activation": S1.activation}
    own = {"hidden_layer_sizes": S1.hidden_sizes, "agent_kwargs": of_both}
    if work == "td3":
        own = {
            "actor_kwargs": dict(of_both),
            "critic_kwargs": dict(of_both),
            "policy_delay": S1.policy_delay,
            "exploration_noise": S1.exploration_noise,
            "target_noise": S1.target_noise,
            "target_noise_clip": S1.target_noise_clip,
        }
    algorithm = getattr(rejax, work.upper()).create(
        env=S1.env,
        total_timesteps=env_steps,
        eval_freq=env_steps,
        skip_initial_evaluation=True,
        num_envs=S1.num_envs,
        num_epochs=1,
        buffer_size=S1.buffer_size,
        fill_buffer=S1.learning_starts,
        batch_size=S1.batch_size,
        target_update_freq=1,
        polyak=1.0 - S1.tau,
        learning_rate=S1.learning_rate,
        max_grad_norm=float("inf"),
        gamma=S1.gamma,
        **own,
    )
    if work == "sac":
        return algorithm
    # its TD3 takes no widths: two layers of 64 are written in `create_agent`
    wide = {"hidden_layer_sizes": S1.hidden_sizes}
    return algorithm.replace(
        actor=algorithm.actor.clone(**wide), critic=algorithm.critic.clone(**wide)
    )


def fresh_return(algorithm, states, seeds: int) -> float:
    """The trained policies' mean return over fresh episodes."""
    import jax

    def mean_return(state, key):
        _, returns = algorithm.eval_callback(algorithm, state, key)
        return returns.mean()

    keys = jax.random.split(jax.random.PRNGKey(1), seeds)
    return float(jax.vmap(mean_return)(states, keys).mean())


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    from benchmarks.peers.compiled import time_program

    algorithm = make_algorithm(args.work, args.env_steps)
    silent = algorithm.replace(eval_callback=lambda algorithm, state, key: ())
    states, timing = time_program(lambda key: silent.train(key)[0], args.seeds, args.repeats, clock)
    return Outcome(
        version=installed("rejax") or "unknown",
        env_steps=args.env_steps,
        **timing._asdict(),
        final_return=fresh_return(algorithm, states, args.seeds),
        gradient_steps=S1.gradient_steps(args.env_steps),
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(__doc__, CONTINUOUS, least=2 * S1.learning_starts)
    report("rejax", args, measure(args))
