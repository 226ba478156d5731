"""SBX's DQN (Stable-Baselines in JAX) on the shared work."""

import sys
import time
from pathlib import Path
from statistics import fmean

# from this folder `import sbx` would find its PPO's file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    MAX_TOTAL_STEPS,
    Q1,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

WARM_UP = 2 * Q1.learning_starts  # env steps of each model that are not timed: it compiles in them
NOTES = (
    "Huber loss, sbx's only one; epsilon-greedy for all environments at once",
    "its network has layers of one width only, so it is given another of the shared widths",
    "seeds one after another in one process, gymnasium environments in a DummyVecEnv",
    (
        "every seed compiles anew: compile_seconds is the sum over the first repeat's seeds,"
        f" tracing and the warm-up's {WARM_UP} env steps included; run_seconds are of what follows,"
        " where every step trains"
    ),
    "final_return is the mean of each seed's last 100 finished training episodes, first repeat",
)


def put_network() -> None:
    """Have SBX's policy build a network of the shared widths."""
    import flax.linen as nn
    import jax.numpy as jnp
    from sbx.dqn import policies

    class QNetwork(nn.Module):
        n_actions: int
        n_units: int  # unused: one width for all layers
        activation_fn: object = nn.relu

        @nn.compact
        def __call__(self, x: jnp.ndarray) -> jnp.ndarray:
            for width in Q1.hidden_sizes:
                x = nn.relu(nn.Dense(width)(x))
            return nn.Dense(self.n_actions)(x)

    policies.QNetwork = QNetwork


def make_model(seed: int):
    """SBX's DQN at the shared settings."""
    from sbx import DQN
    from stable_baselines3.common.env_util import make_vec_env

    return DQN(
        "MlpPolicy",
        make_vec_env(Q1.env, Q1.num_envs, seed=seed),
        learning_rate=Q1.learning_rate,
        buffer_size=Q1.buffer_size,
        learning_starts=Q1.learning_starts,
        batch_size=Q1.batch_size,
        gamma=Q1.gamma,
        target_update_interval=Q1.target_period,
        exploration_initial_eps=Q1.epsilon,
        exploration_final_eps=Q1.epsilon_final,
        exploration_fraction=Q1.epsilon_fraction,
        train_freq=1,  # a step of all environments
        gradient_steps=1,
        seed=seed,
    )


def run_seed(seed: int, env_steps: int) -> tuple[float, float, float]:
    """(seconds that compiling and warming up took, seconds of `env_steps` steps more, return at
    last)."""
    start = time.perf_counter()
    model = make_model(seed)
    model.learn(WARM_UP)
    warm = time.perf_counter()
    model.learn(env_steps, reset_num_timesteps=False)
    end = time.perf_counter()
    final_return = fmean(episode["r"] for episode in model.ep_info_buffer)
    model.env.close()
    return warm - start, end - warm, final_return


def measure(args) -> Outcome:
    clock = ProcessClock(args.started)
    import jax

    put_network()
    bound = args.max_total_steps // args.seeds if args.max_total_steps else args.env_steps
    env_steps = min(args.env_steps, bound) // Q1.num_envs * Q1.num_envs
    first = [run_seed(seed, env_steps) for seed in range(args.seeds)]
    done = clock()
    repeats = [first] + [
        [run_seed(seed, env_steps) for seed in range(args.seeds)] for _ in range(args.repeats - 1)
    ]
    return Outcome(
        version=installed("sbx-rl") or "unknown",
        device=jax.default_backend(),
        env_steps=env_steps,
        trace_seconds=None,
        compile_seconds=sum(compiled for compiled, _, _ in first),
        run_seconds=[sum(seconds for _, seconds, _ in runs) for runs in repeats],
        process_start_to_done_seconds=done,
        final_return=fmean(final for _, _, final in first),
        gradient_steps=env_steps // Q1.num_envs,
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(__doc__, MAX_TOTAL_STEPS, least=Q1.num_envs)
    report("sbx", args, measure(args))
