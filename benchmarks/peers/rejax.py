"""Rejax's PPO on the shared work, all seeds in one vmapped program."""

import sys
from functools import partial
from pathlib import Path

# from this folder `import rejax` would find this file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    ENV_KWARGS,
    PPO_WORKS,
    Outcome,
    PPOSettings,
    ProcessClock,
    arguments,
    installed,
    report,
    whole_updates,
)

EPISODES = 128  # fresh ones a seed, rejax's own evaluation
NOTES = (
    (
        "max_grad_norm clips each gradient element to 0.5, not the gradient's norm (rejax's own"
        " meaning)"
    ),
    "Adam eps 1e-8, fixed in rejax, not 1e-5",
    "layers start at flax's default (lecun normal), not orthogonal",
    "policy and value are updated one after the other, each with its own optimiser",
    "no evaluation while training: the callback is replaced by one that does nothing",
    (
        f"final_return is the mean of {EPISODES} fresh episodes a seed, actions sampled, after the"
        " timed run"
    ),
)


def annealed(work: PPOSettings, num_updates: int, count):
    """The learning rate after `count` gradients: linear to 0, one step down an update."""
    return work.learning_rate * (1 - count // work.gradients_per_update / num_updates)


def make_algorithm(work: PPOSettings, env_steps: int):
    """Rejax's PPO at the shared settings; one 'evaluation' period spans the whole run."""
    import rejax

    return rejax.PPO.create(
        env=work.env,
        env_params=ENV_KWARGS.get(work.env, {}),
        agent_kwargs={"hidden_layer_sizes": work.hidden_sizes, "activation": work.activation},
        total_timesteps=env_steps,
        eval_freq=env_steps,
        skip_initial_evaluation=True,
        num_envs=work.num_envs,
        num_steps=work.rollout_length,
        num_minibatches=work.num_minibatches,
        num_epochs=work.num_epochs,
        learning_rate=partial(annealed, work, env_steps // work.steps_per_update),
        gamma=work.gamma,
        gae_lambda=work.gae_lambda,
        clip_eps=work.clip_eps,
        ent_coef=work.ent_coef,
        vf_coef=work.vf_coef,
        max_grad_norm=work.max_grad_norm,
    )


def fresh_returns(algorithm, states, seeds: int):
    """[seeds]: each trained policy's mean return over fresh episodes."""
    import jax

    def mean_return(state, key):
        _, returns = algorithm.eval_callback(algorithm, state, key)
        return returns.mean()

    return jax.vmap(mean_return)(states, jax.random.split(jax.random.PRNGKey(1), seeds))


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    from benchmarks.peers.compiled import time_program

    work = PPO_WORKS[args.work]
    env_steps = whole_updates(args.env_steps, work)
    algorithm = make_algorithm(work, env_steps)
    silent = algorithm.replace(eval_callback=lambda algorithm, state, key: ())
    states, timing = time_program(lambda key: silent.train(key)[0], args.seeds, args.repeats, clock)
    returns = fresh_returns(algorithm, states, args.seeds)
    until = float("inf") if args.until is None else args.until
    num_reached = int((returns >= until).sum())
    return Outcome(
        version=installed("rejax") or "unknown",
        env_steps=env_steps,
        **timing._asdict(),
        final_return=float(returns.mean()),
        reached_seconds=timing.process_start_to_done_seconds if num_reached == args.seeds else None,
        reached_note=(
            "the run is seen only at its end: its time, if every seed's fresh episodes after it "
            f"average the threshold or more; {num_reached} of {args.seeds} seeds' do"
        ),
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(__doc__, ("--work", {"choices": PPO_WORKS, "default": "cartpole"}))
    report("rejax", args, measure(args))
