"""Rejax's DQN on the shared work, all seeds in one vmapped program."""

import sys
from pathlib import Path

# from this folder `import rejax` would find its PPO's file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    DQN_WORKS,
    Q1,
    DQNSettings,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

EPISODES = 128  # fresh ones a seed, rejax's own evaluation
NOTES = (
    (
        "batches are drawn without replacement, by a weighted choice over the whole buffer (rejax's"
        " own way)"
    ),
    "ddqn off, polyak 0 (a hard copy), no clipping of gradients",
    (
        "an episode cut by the time limit is treated as ended, and its last observation is the next"
        " one's first"
    ),
    "no evaluation while training: the callback is replaced by one that does nothing",
    "the network is put in by hand: DQN.create refuses hidden_layer_sizes in this version",
    (
        f"final_return is the mean of {EPISODES} fresh episodes a seed, nearly greedy, after the"
        " timed run"
    ),
)


def make_algorithm(work: DQNSettings, env_steps: int):
    """Rejax's DQN at the shared settings; one 'evaluation' period spans the whole run."""
    import flax.linen as nn
    import rejax
    from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy

    algorithm = rejax.DQN.create(
        env=work.env,
        total_timesteps=env_steps,
        eval_freq=env_steps,
        skip_initial_evaluation=True,
        num_envs=work.num_envs,
        num_epochs=1,
        buffer_size=work.buffer_size,
        fill_buffer=work.learning_starts,
        batch_size=work.batch_size,
        target_update_freq=work.target_period,
        polyak=0.0,
        ddqn=False,
        learning_rate=work.learning_rate,
        gamma=work.gamma,
        eps_start=work.epsilon,
        eps_end=work.epsilon_final,
        exploration_fraction=work.epsilon_fraction,
    )
    network = EpsilonGreedyPolicy(DiscreteQNetwork)(
        hidden_layer_sizes=work.hidden_sizes,
        action_dim=algorithm.action_dim,
        activation=getattr(nn, work.activation),
    )
    return algorithm.replace(agent=network)


def fresh_return(algorithm, states, seeds: int) -> float:
    """The trained policies' mean return over fresh episodes."""
    import jax

    def mean_return(state, key):
        _, returns = algorithm.eval_callback(algorithm, state, key)
        return returns.mean()

    return float(
        jax.vmap(mean_return)(states, jax.random.split(jax.random.PRNGKey(1), seeds)).mean()
    )


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    from benchmarks.peers.compiled import time_program

    work = DQN_WORKS[args.work]
    env_steps = args.env_steps // work.num_envs * work.num_envs
    algorithm = make_algorithm(work, env_steps)
    silent = algorithm.replace(eval_callback=lambda algorithm, state, key: ())
    states, timing = time_program(lambda key: silent.train(key)[0], args.seeds, args.repeats, clock)
    return Outcome(
        version=installed("rejax") or "unknown",
        env_steps=env_steps,
        **timing._asdict(),
        final_return=fresh_return(algorithm, states, args.seeds),
        gradient_steps=work.gradient_steps(env_steps),
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(
        __doc__, ("--work", {"choices": DQN_WORKS, "default": "cartpole"}), least=Q1.num_envs
    )
    report("rejax", args, measure(args))
