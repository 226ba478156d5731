"""What presets still have when they train for longer than they ask for: makes docs/longer.md.

    python -m benchmarks.longer [--times 4] [--seeds 8] [--sampled] [--again] [ENV/ALGO ...]

A case that is recorded with the preset of today is not trained again, so the driver can be stopped
and started again. Each seed's best policy is the one with the highest of some 40 evaluations of 32
episodes during the run. The highest of many noisy numbers is too high, so it is not what the final
policy is compared with: that best policy is evaluated anew, on the same 128 fresh episodes as the
final one.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.longer_page import page
from benchmarks.record import accelerator

RECORD = Path(__file__).parent / "results" / "longer.json"
PAGE = Path(__file__).parent.parent / "docs" / "longer.md"
EVALUATIONS, RANDOM_EPISODES = 40, 512

# the quick ones first; a family's name stands for all of its environments
ENVS = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1", "MountainCarContinuous-v0")
ENVS += ("Reacher-misc", "Swimmer-misc")
ENVS += ("Catch-bsuite", "DeepSea-bsuite", "MemoryChain-bsuite", "Nim")
ENVS += ("Hamlet", "Cache", "Balatro")
ALGOS = ("ppo", "a2c", "pqn", "td3", "dqn", "sac", "qrdqn", "c51", "iqn", "rainbow")
ALGOS += ("sample_efficient",)


class Preset(NamedTuple):
    """What trains in what."""

    env: str
    algo: str

    @property
    def name(self) -> str:
        return f"{self.env}/{self.algo}"

    @property
    def settings(self) -> dict[str, Any]:
        """The preset, as JSON has it."""
        from elsinore.config.presets import preset

        return json.loads(json.dumps(preset(f"{self.algo}/{self.env}")))


def all_presets() -> list[Preset]:
    """Every shipped preset, in about the order of its cost."""
    from elsinore.config.presets import PRESETS

    def cost(preset: Preset) -> tuple[int, int]:
        family = preset.env if preset.env in ENVS else preset.env.split("-")[0]
        place = ENVS.index(family) if family in ENVS else len(ENVS)
        return place, ALGOS.index(preset.algo)

    names = (name.partition("/") for name in PRESETS)
    return sorted((Preset(env, algo) for algo, _, env in names), key=cost)


def measured(
    preset: Preset, times: int, seeds: int, settings: Any = None, sampled: bool = False
) -> dict[str, Any]:
    """Train `seeds` seeds for `times` the preset's budget; each one's best and final policy on the
    same fresh episodes, of greedy actions or of sampled ones."""
    import jax

    from benchmarks.learning import trained
    from elsinore.runs.final_evaluation import final_evaluation_of
    from elsinore.runs.preparation import prepare
    from elsinore.training.layout import layout_for
    from elsinore.training.replicas import fetch

    prepare()
    settings = (settings or {}) | {"evaluation.greedy": not sampled}
    plan = longer_plan(preset, times, seeds, settings)
    layout = layout_for(seeds, single_launch=plan.single_launch)
    began = time.time()
    states, reports = jax.block_until_ready(trained(plan, layout))
    seconds, host = time.time() - began, fetch(states, layout)
    policy, learner = host.best.policy_state, host.train.learner
    best = host._replace(
        train=host.train._replace(
            learner=learner._replace(params=policy.params), stats=policy.stats
        )
    )
    evaluate = final_evaluation_of(plan, layout)
    final_returns, best_returns = (np.asarray(evaluate(which).returns) for which in (host, best))
    fallen = best_returns - final_returns
    return {
        "env": preset.env,
        "algo": preset.algo,
        "times": times,
        "sampled": sampled,
        "env_steps": plan.env_steps,
        "seeds": seeds,
        "seconds": seconds,
        "preset": preset.settings,
        "random": float(random_return(plan)),
        "best": best_returns.mean(axis=1).tolist(),
        "best_at": (host.best.update * plan.steps_per_update).tolist(),
        "final": final_returns.mean(axis=1).tolist(),
        "error": (fallen.std(axis=1, ddof=1) / fallen.shape[1] ** 0.5).tolist(),
        "evaluations": np.asarray(reports.episodes.returns).mean(axis=2).round(3).tolist(),
        **accelerator(),
    }


def longer_plan(preset: Preset, times: int, seeds: int, settings: Any) -> Any:
    """The preset's run with `times` its env steps, evaluated `EVALUATIONS` times."""
    from elsinore.algos.registry import steps_per_update
    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for

    usual = load_experiment(preset.env, preset.algo, overrides=settings)
    env_steps = times * usual.env_steps
    period = max(1, env_steps // steps_per_update(usual.algo) // EVALUATIONS)
    longer = {
        "env_steps": env_steps,
        "seeds": seeds,
        "convergence.enabled": False,
        "evaluation.period": period,
        "evaluation.episodes": 32,
        "evaluation.final_episodes": 128,
    }
    return plan_for(load_experiment(preset.env, preset.algo, overrides=settings | longer))


def random_return(plan: Any) -> Any:
    """The mean return of uniform random actions, by which shares of a return have a zero."""
    import jax

    from elsinore.config.schedule import max_steps_of
    from elsinore.envs.suites import is_on_host
    from elsinore.runs.host.evaluation import HostEvaluation
    from elsinore.training.evaluation import evaluate
    from elsinore.training.random_policy import UNTRAINED, random_policy

    most = max_steps_of(plan.experiment, plan.env_params)
    algo = random_policy(plan.env, plan.env_params)
    if is_on_host(plan.env):
        with contextlib.closing(HostEvaluation(plan.env, algo, most, most, False)) as play:
            return play(UNTRAINED, jax.random.key(0), RANDOM_EPISODES).returns.mean()

    @jax.jit
    def played(key):
        return evaluate(
            algo,
            plan.env,
            plan.env_params,
            UNTRAINED,
            key,
            episodes=RANDOM_EPISODES,
            max_steps=most,
            greedy=False,
        ).returns.mean()

    return played(jax.random.key(0))


def recorded() -> list[dict[str, Any]]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else []


def written(rows: Iterable[dict[str, Any]]) -> None:
    """The record and its page, with rows in the order of their cost."""
    order = {preset.name: place for place, preset in enumerate(all_presets())}
    place = lambda row: (order[f"{row['env']}/{row['algo']}"], row["times"], row["sampled"])  # noqa: E731
    rows = sorted(rows, key=place)
    today = [row["preset"] == Preset(row["env"], row["algo"]).settings for row in rows]
    lines = ",\n".join(json.dumps(row) for row in rows)
    unfinished = RECORD.with_suffix(".unfinished")
    unfinished.write_text(f"[\n{lines}\n]\n")
    unfinished.replace(RECORD)
    before = [row for row, now in zip(rows, today, strict=True) if not now]
    current = [row for row, now in zip(rows, today, strict=True) if now]
    named = {f"{row['env']}/{row['algo']}" for row in current if row["times"] > 1}
    PAGE.write_text(page(current, before, [name for name in order if name not in named]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="ENV/ALGO", help="these presets (default: all)")
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--sampled", action="store_true", help="evaluate sampled actions")
    parser.add_argument("--again", action="store_true", help="train those that are recorded, too")
    args = parser.parse_args()
    if unknown := set(args.only) - {preset.name for preset in all_presets()}:
        parser.error(f"no preset: {', '.join(sorted(unknown))}")
    for preset in all_presets():
        if args.only and preset.name not in args.only:
            continue
        what = {**preset._asdict(), "times": args.times, "sampled": args.sampled}
        what |= {"preset": preset.settings}
        others = [row for row in recorded() if not what.items() <= row.items()]
        if len(others) < len(recorded()) and not args.again:
            continue
        row = measured(preset, args.times, args.seeds, sampled=args.sampled)
        finals = [round(value, 2) for value in row["final"]]
        bests = [round(value, 2) for value in row["best"]]
        print(preset.name, "best", bests, "final", finals, f"{row['seconds']:.0f} s", flush=True)
        written([*others, row])


if __name__ == "__main__":
    main()
