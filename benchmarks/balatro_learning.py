"""How often policies win Balatro, beside players that follow a rule:
benchmarks/results/balatro_learning.json.

    python -m benchmarks.balatro_learning [--seeds 8] [--again] [NAME ...]

Every policy plays greedily, and every player likewise, 500 fresh games of each seed at each number
of antes. Names that are recorded already are not trained again.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import BALATRO, Case
from benchmarks.record import accelerator
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.runs.preparation import prepare
from elsinore.runs.statistics import ci95, iqm
from elsinore.training.layout import layout_for
from elsinore.training.replicas import over_seeds, place, train_compiled
from elsinore.worlds.balatro.actions import NUM_SUBSETS
from elsinore.worlds.balatro.baselines import BASELINES
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.game import NUM_OFFERS
from elsinore.worlds.balatro.rules.offers import JOKER, PLANET
from elsinore.worlds.balatro.state import BalatroParams

RECORD = Path(__file__).parent / "results" / "balatro_learning.json"
GAMES, MOST_STEPS = 500, 512  # of each seed; the world's own time limit
ANTES = range(1, 9)
RULES = [(player, 0, (1, 2)) for player in ("greedy", "greedy-keep", "greedy-flush")]
RULES += [(player, 2, ANTES) for player in ("greedy-flush", "joker-buyer")]
RULES += [("joker-buyer", stage, ANTES) for stage in (1, 3, 4)]


class Played(NamedTuple):
    """What came of each game."""

    over: Any
    won: Any
    progress: Any  # the return of reward `progress`
    jokers: Any  # bought
    planets: Any


def play(env: Balatro, params: BalatroParams, choose: Callable, key: Any) -> Played:
    """Games to their end. `choose(key, state, obs)` gives the action of one."""

    def one(key, obs, state, so_far: Played):
        action = choose(key, state, obs)
        offer = state.game.shop.kind[jnp.clip(action - 2 * NUM_SUBSETS, 0, NUM_OFFERS - 1)]
        buys = (action >= 2 * NUM_SUBSETS) & (action < 2 * NUM_SUBSETS + NUM_OFFERS) & ~so_far.over
        obs, state, reward, terminated, _ = env.step_env(key, state, action, params)
        played = Played(
            over=so_far.over | terminated | env.is_truncated(state, params),
            won=jnp.where(so_far.over, so_far.won, state.game.won),
            progress=so_far.progress + jnp.where(so_far.over, 0.0, reward),
            jokers=so_far.jokers + (buys & (offer == JOKER)),
            planets=so_far.planets + (buys & (offer == PLANET)),
        )
        return obs, state, played

    def step(carry):
        time, *games_so_far = carry
        return time + 1, *jax.vmap(one)(
            jax.random.split(jax.random.fold_in(key, time), GAMES), *games_so_far
        )

    obs, state = jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(key, GAMES), params)
    none = jnp.zeros(GAMES, jnp.int32)
    start = (jnp.int32(0), obs, state, Played(none > 0, none > 0, jnp.zeros(GAMES), none, none))
    return jax.lax.while_loop(
        lambda carry: (carry[0] < MOST_STEPS) & ~carry[-1].over.all(), step, start
    )[-1]


def of_rule(player: str, stage: int, antes: Sequence[int]) -> dict[str, Any]:
    """A scripted player's games at each number of antes."""
    env = Balatro(stage=stage)

    def choose(key, state, obs):
        return BASELINES[player](state.game, env.rules)

    run = jax.jit(lambda ante: play(env, BalatroParams(max_ante=ante), choose, jax.random.key(1)))
    return {
        "env": env.name,
        "games": {ante: _means(jax.tree.map(lambda x: x[None], run(ante))) for ante in antes},
    }


def of_case(case: Case, seeds: int) -> dict[str, Any]:
    """Train the seeds of a case, and let each play at each number of antes that it was meant
    for."""
    prepare()
    settings = dict(case.settings) | {"convergence.enabled": False, "seeds": seeds}
    plan, layout = (
        plan_for(load_experiment(case.env, case.algo, overrides=settings)),
        layout_for(seeds),
    )
    began = time.time()
    states, reports = jax.block_until_ready(train_compiled(plan.program, layout))
    seconds = time.time() - began

    def games(state, ante):
        def choose(key, _, obs):
            return plan.program.algo.policy.act(key, state.train.policy_state, (), obs, True)[0]

        params = state.train.env_params.replace(max_ante=ante)
        return play(plan.env, params, choose, jax.random.fold_in(state.train.key, 1))

    run, placed = over_seeds(games, layout), place(states, layout)
    antes = ANTES if plan.env_params.max_ante == ANTES[-1] else (plan.env_params.max_ante,)
    played = {
        ante: _means(jax.tree.map(lambda x: x[:seeds], run(placed, jnp.int32(ante))))
        for ante in antes
    }
    return {
        "env": case.env,
        "algo": case.algo,
        "settings": dict(case.settings),
        "env_steps": plan.env_steps,
        "seconds": seconds,
        "curve": np.asarray(reports.episodes.returns).mean(axis=2).tolist(),
        "stage": np.asarray(getattr(states.curriculum, "stage", [0] * seeds))[:seeds].tolist(),
        "games": played,
        **accelerator(),
    }


def _means(played: Played) -> dict[str, list[float]]:
    """Over games, of each seed."""
    assert np.asarray(played.over).all(), "games that did not end"
    return {
        name: np.asarray(x, float).mean(axis=1).tolist()
        for name, x in played._asdict().items()
        if name != "over"
    }


def table(rows: list[dict[str, Any]]) -> str:
    """For docs: the share of games won at each number of antes, and what it took."""
    lines = [
        (
            "| | env steps | seconds | antes | won: mean | IQM | 95 % of the IQM | worst seed |"
            " return | jokers |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(
        lines + [line(row, ante, games) for row in rows for ante, games in row["games"].items()]
    )


def line(row: dict[str, Any], ante: int, games: dict[str, list[float]]) -> str:
    won = 100.0 * np.asarray(games["won"])
    low, high = ci95(won) or (np.nan, np.nan)
    several = (
        f"{iqm(won):.1f} % | [{low:.1f}, {high:.1f}] | {won.min():.1f} %"
        if len(won) > 1
        else "– | – | –"
    )
    trained = f"{row['env_steps']:,} | {row['seconds']:.0f}" if "seconds" in row else "– | –"
    return (
        f"| {row['name']} | {trained} | {ante} | {won.mean():.1f} % | {several} | "
        f"{np.mean(games['progress']):.3f} | {np.mean(games['jokers']):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="NAME", help="these (default: all)")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--again", action="store_true", help="those that are recorded, too")
    given = parser.parse_args()
    jobs: dict[str, Callable] = {
        f"Balatro-stage{rule[1]}, {rule[0]}": partial(of_rule, *rule) for rule in RULES
    }
    jobs |= {f"{case.env}, {case.title}": partial(of_case, case, given.seeds) for case in BALATRO}
    done = {row["name"]: row for row in (json.loads(RECORD.read_text()) if RECORD.exists() else [])}
    for name, job in jobs.items():
        if (given.only and name not in given.only) or (name in done and not given.again):
            continue
        done[name] = {"name": name} | job()
        print(table([done[name]]), flush=True)
        RECORD.write_text(
            json.dumps([done[name] for name in jobs if name in done], indent=1) + "\n"
        )
    print(table([done[name] for name in jobs if name in done]))


if __name__ == "__main__":
    main()
