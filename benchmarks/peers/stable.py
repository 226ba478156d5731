"""What the two trainers of the Stable-Baselines family share: seeds one after another, watched."""

import argparse
import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from benchmarks.peers.work import (
    P1,
    WINDOW,
    Outcome,
    PPOSettings,
    ProcessClock,
    reached_summary,
    slowest,
    whole_updates,
)

NOTES = (
    "seeds one after another in one process, gymnasium environments in a DummyVecEnv",
    "value loss has no factor 1/2 here, so vf_coef is 0.25 for the same weight",
    (
        "an episode cut by the time limit keeps its future value (the shared settings treat it as"
        " ended)"
    ),
    "the learning rate is read after the rollout: one update ahead of the shared schedule",
    (
        f"final_return is the mean of each seed's last {WINDOW} finished training episodes, first"
        " repeat"
    ),
)


class Watch(BaseCallback):
    """Notes when each update began, and when the recent episodes' mean first reached `until`."""

    def __init__(self, until: float | None, clock: ProcessClock):
        super().__init__()
        self.until, self.process_clock = until, clock
        self.update_starts: list[float] = []
        self.reached_seconds: float | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.update_starts.append(time.perf_counter())

    def _on_rollout_end(self) -> None:
        if (
            self.until is not None
            and self.reached_seconds is None
            and self.recent_return() >= self.until
        ):
            self.reached_seconds = self.process_clock()

    def recent_return(self) -> float:
        """The mean of the last 100 finished episodes; while there are fewer, nothing is reached."""
        returns = [episode["r"] for episode in self.model.ep_info_buffer]
        return fmean(returns) if len(returns) == WINDOW else float("-inf")


@dataclass(frozen=True)
class Trainer:
    """What differs between the two."""

    PPO: type
    version: str
    device: str
    compiles: bool  # in building each model and in its first update
    options: dict[str, Any]  # of its PPO alone
    notes: tuple[str, ...]
    work: PPOSettings = P1


@dataclass(frozen=True)
class SeedRun:
    seconds: float
    compile_seconds: float
    reached_seconds: float | None
    final_return: float


def measure(trainer: Trainer, args: argparse.Namespace, clock: ProcessClock) -> Outcome:
    env_steps = steps_a_seed(args, trainer.work)

    def run_all() -> list[SeedRun]:
        return [
            run_seed(trainer, seed, env_steps, Watch(args.until, clock))
            for seed in range(args.seeds)
        ]

    first = run_all()
    done = clock()
    repeats = [first] + [run_all() for _ in range(args.repeats - 1)]
    marks = [run.reached_seconds for run in first]
    return Outcome(
        version=trainer.version,
        device=trainer.device,
        env_steps=env_steps,
        trace_seconds=None,
        compile_seconds=sum(run.compile_seconds for run in first),
        run_seconds=[sum(run.seconds for run in runs) for runs in repeats],
        process_start_to_done_seconds=done,
        final_return=fmean(run.final_return for run in first),
        reached_seconds=slowest(marks),
        reached_note="seen after each rollout; seeds wait for one another, the last one counts: "
        + reached_summary(marks, "seconds"),
        notes=[*shortened(env_steps, args, trainer.work), *trainer.notes, *NOTES],
    )


def steps_a_seed(args: argparse.Namespace, work: PPOSettings) -> int:
    """The steps asked for, or fewer where all seeds together would pass --max-total-steps."""
    bound = args.max_total_steps // args.seeds if args.max_total_steps else args.env_steps
    return max(work.steps_per_update, whole_updates(min(args.env_steps, bound), work))


def shortened(env_steps: int, args: argparse.Namespace, work: PPOSettings) -> list[str]:
    if env_steps == whole_updates(args.env_steps, work):
        return []
    return [f"{env_steps:,} steps a seed, not {args.env_steps:,}: bound by --max-total-steps"]


def run_seed(trainer: Trainer, seed: int, env_steps: int, watch: Watch) -> SeedRun:
    """Build and train one seed; where the trainer compiles, tell that apart from the running.

    Every model compiles anew, within its building and its first update, so compiling is
    the building and what the first update took above the median of the others.
    """
    start = time.perf_counter()
    model = make_model(trainer, seed)
    built = time.perf_counter()
    model.learn(env_steps, callback=watch)
    end = time.perf_counter()
    updates = [after - before for before, after in pairwise([*watch.update_starts, end])]
    excess = max(0.0, updates[0] - median(updates[1:] or updates))
    compile_seconds = built - start + excess if trainer.compiles else 0.0
    final_return = fmean(episode["r"] for episode in model.ep_info_buffer)
    model.env.close()
    return SeedRun(
        end - start - compile_seconds, compile_seconds, watch.reached_seconds, final_return
    )


def make_model(trainer: Trainer, seed: int):
    """A PPO of the family at the shared settings."""
    work = trainer.work
    return trainer.PPO(
        "MlpPolicy",
        make_vec_env(work.env, work.num_envs, seed=seed),
        learning_rate=lambda remaining: work.learning_rate * remaining,
        n_steps=work.rollout_length,
        batch_size=work.minibatch_size,
        n_epochs=work.num_epochs,
        gamma=work.gamma,
        gae_lambda=work.gae_lambda,
        clip_range=work.clip_eps,
        ent_coef=work.ent_coef,
        vf_coef=work.vf_coef / 2,
        max_grad_norm=work.max_grad_norm,
        seed=seed,
        device="cpu",
        **trainer.options,
    )
