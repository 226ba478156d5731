"""What algorithms learn of the API cache, beside rules of thumb on the same streams; they trained
on none of them.

    python -m benchmarks.cache_api_learning [PPO A2C DQN "Double DQN"] [--seeds 8] [--streams 256]
    [--again]
    # a trial, of which nothing is saved
    python -m benchmarks.cache_api_learning PPO --seeds 2 --set algo.gamma=0.95

Each trains at its preset. Of every one, of the rules and of random actions are printed, and saved
in results/cache_api_learning.json: the mean return of the greedy policies, hit rate and cascades an
episode, and what they earn beyond each rule, paired by stream, with an interval of 95 % over seeds
and streams.
"""

import argparse
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks.record import FOLDER, Results
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.yaml_files import parse_set
from elsinore.envs import make
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_seeds, over_seeds
from elsinore.worlds.cache.api.heuristics import HEURISTICS

HELD_OUT = 1_000_003  # seed of the streams that policies are compared on
COMPARED = ("always 3", "rule A", "rule B")
FLOOR = "random"  # actions drawn alike
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {  # algorithm, and what differs from its preset
    "PPO": ("ppo", {}),
    "A2C": ("a2c", {}),
    "DQN": ("dqn", {"algo.double": False}),
    "Double DQN": ("dqn", {"algo.double": True}),
}


class Played(NamedTuple):
    """One number for each stream, [stream]; of several seeds, [seed, stream]."""

    returns: np.ndarray
    hit_rate: np.ndarray
    cascades: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("learners", nargs="*", default=list(LEARNERS), help="default: all")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--set", nargs="*", default=[], help="settings other than the preset's")
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    work = {"world": "Cache-api", "streams": args.streams, "seeds": args.seeds}
    results = Results(FOLDER / "cache_api_learning.json", work, args.again)
    kept = (lambda measure, policy: measure()) if args.set else results.measure
    keys = jax.random.split(jax.random.key(HELD_OUT), args.streams)
    rules = {name: played(*make("Cache-api"), HEURISTICS[name], keys) for name in COMPARED}
    floor = played(*make("Cache-api"), at_random, keys)
    for name, found in ({FLOOR: floor} | rules).items():
        print(described(kept(partial(figures, found, rules), policy=name), name), flush=True)
    for name in args.learners:
        measure = partial(learnt, name, args.seeds, parse_set(args.set), keys, rules)
        print(described(kept(measure, policy=name), name), flush=True)


def at_random(key: jax.Array, obs: jax.Array) -> jax.Array:
    """Random actions, whose draws are not the env's, which is stepped with the same key."""
    return HEURISTICS[FLOOR](jax.random.fold_in(key, 1), obs)


def learnt(
    name: str, seeds: int, overrides: dict[str, Any], keys: Any, rules: dict[str, Played]
) -> dict[str, Any]:
    """A learner's row: trained, then played greedily."""
    algo, changes = LEARNERS[name]
    plan = plan_for(
        load_experiment("Cache-api", algo, overrides={"seeds": seeds} | changes | overrides)
    )
    began = time.perf_counter()
    states = trained(plan, seeds)
    seconds = time.perf_counter() - began
    act, env = plan.program.algo.policy.act, (plan.env, plan.env_params)

    def of_seed(seed: int) -> Played:
        policy_state = jax.tree.map(lambda x: x[seed], states.train.policy_state)
        return played(*env, lambda key, obs: act(key, policy_state, (), obs, greedy=True)[0], keys)

    found = jax.tree.map(lambda *each: np.stack(each), *[of_seed(seed) for seed in range(seeds)])
    return {"env_steps": plan.env_steps, "seconds": round(seconds, 1)} | figures(found, rules)


def figures(found: Played, rules: dict[str, Played]) -> dict[str, Any]:
    """What is saved of a policy: means of each seed (or the one), and what it earns beyond each
    rule."""
    means = {name: np.atleast_1d(x.mean(axis=-1)).tolist() for name, x in found._asdict().items()}
    return means | {
        "over": {name: beyond(found.returns - rule.returns) for name, rule in rules.items()}
    }


def beyond(gain: np.ndarray) -> dict[str, float]:
    """The mean gain, its standard error over seeds and over streams together, and an interval of 95
    %.

    Both are draws: of trainings that might have been, and of streams that may come.
    """
    gain = np.atleast_2d(gain)
    of_seeds, of_streams = gain.mean(axis=1), gain.mean(axis=0)
    error, mean = (
        float(np.hypot(standard_error(of_seeds), standard_error(of_streams))),
        float(gain.mean()),
    )
    draws = len(of_seeds) if len(of_seeds) > 1 else len(of_streams)
    width = error * float(np.asarray(stats.t.ppf(0.975, draws - 1)))
    return {"mean": mean, "standard_error": error, "low": mean - width, "high": mean + width}


def standard_error(x: np.ndarray) -> float:
    return float(x.std(ddof=1) / len(x) ** 0.5) if len(x) > 1 else 0.0


def trained(plan: Any, seeds: int):
    """Every seed's state after the whole run."""
    layout = layout_for(seeds)
    states = init_seeds(plan.program, layout, 0)
    chunk = over_seeds(plan.program.chunk, layout, donate=True)
    for i in range(plan.schedule.num_chunks):
        states, _ = chunk(states, jnp.int32(plan.schedule.updates_in(i)))
    return jax.device_get(states)


def played(env: Any, params: Any, policy, keys) -> Played:
    """The policy in an episode of each key."""

    def episode(key):
        def step(carry, step_key):
            obs, state = carry
            obs, state, reward, _, counters = env.step_env(
                step_key, state, policy(step_key, obs), params
            )
            return (obs, state), (reward, counters)

        steps = jax.random.split(jax.random.fold_in(key, 1), int(params.max_steps_in_episode))
        _, (reward, counters) = jax.lax.scan(step, env.reset_env(key, params), steps)
        last = jax.tree.map(lambda x: x[-1], counters)
        return Played(reward.sum(), last["hit"] / last["read"], last["casc"])

    return jax.device_get(jax.jit(jax.vmap(episode), compiler_options=compiler_options())(keys))


def described(row: dict[str, Any], name: str) -> str:
    line = f"{name}: return {np.mean(row['returns']):.1f}"
    if len(row["returns"]) > 1:
        line += f" ({min(row['returns']):.1f} to {max(row['returns']):.1f})"
    line += f", hits {np.mean(row['hit_rate']):.3f}, {np.mean(row['cascades']):.2f} cascades"
    for rule, gain in row["over"].items():
        line += f"; over {rule} {gain['mean']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}]"
    return line


if __name__ == "__main__":
    main()
