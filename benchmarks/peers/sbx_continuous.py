"""SBX's SAC or TD3 (Stable-Baselines in JAX) on the shared work."""

import sys
import time
from pathlib import Path
from statistics import fmean

# from this folder `import sbx` would find its PPO's file
sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.peers.work import (  # noqa: E402
    CONTINUOUS,
    MAX_TOTAL_STEPS,
    S1,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

WARM_UP = 2 * S1.learning_starts  # env steps of each model that are not timed: it compiles in them
NOTES = (
    "seeds one after another in one process, gymnasium environments in a DummyVecEnv",
    (
        "every seed compiles anew: compile_seconds is the sum over the first repeat's seeds,"
        f" tracing and the warm-up's {WARM_UP} env steps included; run_seconds are of what follows,"
        " where every step trains"
    ),
    "final_return is the mean of each seed's last 100 finished training episodes, first repeat",
)


def make_model(work: str, seed: int):
    """SBX's algorithm at the shared settings."""
    import numpy as np
    import sbx
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.noise import NormalActionNoise

    own = {}
    if work == "td3":
        own = {
            "policy_delay": S1.policy_delay,
            "target_policy_noise": S1.target_noise,
            "target_noise_clip": S1.target_noise_clip,
            "action_noise": NormalActionNoise(np.zeros(1), S1.exploration_noise * np.ones(1)),
        }
    return getattr(sbx, work.upper())(
        "MlpPolicy",
        make_vec_env(S1.env, S1.num_envs, seed=seed),
        learning_rate=S1.learning_rate,
        qf_learning_rate=S1.learning_rate,
        buffer_size=S1.buffer_size,
        learning_starts=S1.learning_starts,
        batch_size=S1.batch_size,
        gamma=S1.gamma,
        tau=S1.tau,
        train_freq=1,
        gradient_steps=1,
        policy_kwargs={"net_arch": list(S1.hidden_sizes)},
        seed=seed,
        **own,
    )


def run_seed(work: str, seed: int, env_steps: int) -> tuple[float, float, float]:
    """(seconds that compiling and warming up took, seconds of `env_steps` steps more, return at
    last)."""
    start = time.perf_counter()
    model = make_model(work, seed)
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

    bound = args.max_total_steps // args.seeds if args.max_total_steps else args.env_steps
    env_steps = min(args.env_steps, bound)
    first = [run_seed(args.work, seed, env_steps) for seed in range(args.seeds)]
    done = clock()
    repeats = [first] + [
        [run_seed(args.work, seed, env_steps) for seed in range(args.seeds)]
        for _ in range(args.repeats - 1)
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
        gradient_steps=env_steps,
        notes=NOTES,
    )


if __name__ == "__main__":
    args = arguments(__doc__, MAX_TOTAL_STEPS, CONTINUOUS, least=S1.num_envs)
    report("sbx", args, measure(args))
