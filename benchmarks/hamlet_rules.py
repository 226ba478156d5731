"""How far rules get in each Hamlet world: makes docs/hamlet-rules.md.

    python -m benchmarks.hamlet_rules [--again] [WORLD ...]

The player has one rule: go to the open, affordable place whose meter is furthest below the place's
threshold, less a penalty for each cell of the way; use it until the use is done; where no place is
wanted, take an idle action. A place's meter is money where a use pays, else the one that a use
raises most. The player sees the whole state. The thresholds, the penalty and the idle action are
searched by the cross-entropy method (Rubinstein 1999): the score is the mean return of the world's
own reward over a few episodes, then the best player plays 1,000 fresh ones. It is no bound from
above: a better player may exist.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from benchmarks.record import FOLDER, Results
from elsinore.envs import make
from elsinore.worlds.hamlet.env import Hamlet
from elsinore.worlds.hamlet.rules import INTERACT, HamletState, affordance_cells, is_open
from elsinore.worlds.hamlet.tables import profile_tables

WORLDS = ("classic4", "base6", "mood6", "L0_0", "L0_5", "L1", "L2", "L3")
PLAYERS, KEPT, ROUNDS, EPISODES, FRESH = 1_024, 64, 12, 8, 1_000
PAGE = Path(__file__).parent.parent / "docs" / "hamlet-rules.md"


class Player(NamedTuple):
    """The numbers of one player."""

    thresholds: Float[Array, "affordance"]  # shares of the meter's range
    way_penalty: Float[Array, ""]  # share of a meter for each cell
    idle: Float[Array, ""]  # from 0 to 1: which of the actions that do not move


def player_of(numbers: Float[Array, "number"]) -> Player:
    return Player(numbers[:-2] * 1.2, jnp.maximum(numbers[-2], 0) * 0.05, numbers[-1])


def action_of(env: Hamlet, player: Player, state: HamletState) -> Int[Array, ""]:
    """The rule's action in a state."""
    world = profile_tables(env.profile)
    places = jnp.arange(len(env.profile.affordances))
    cells = affordance_cells(world, state)[: places.size].astype(jnp.int32)
    cells_xy = jnp.stack([cells % world.width, cells // world.width], axis=-1)
    away = jnp.abs(cells_xy - state.position).sum(axis=-1)
    shares = world.share(state.meters)
    wish = player.thresholds - shares[main_meters(env)] - player.way_penalty * away
    possible = (cells >= 0) & is_open(env.profile, places, state.time)
    names = env.profile.meter_names
    if "money" in names:
        possible &= jnp.asarray(world.price)[:-1] <= state.meters[names.index("money")]
    begun = possible & (places == state.using) & (state.progress > 0)
    wish = jnp.where(begun, jnp.inf, jnp.where(possible, wish, -jnp.inf))
    place = jnp.argmax(wish)
    dx, dy = cells_xy[place] - state.position
    step = jnp.where(dx > 0, 3, jnp.where(dx < 0, 2, jnp.where(dy > 0, 1, 0)))
    idle = INTERACT + jnp.clip(
        jnp.floor(player.idle * (env.num_actions - INTERACT)), 0, env.num_actions - INTERACT - 1
    )
    to_place = jnp.where(away[place] == 0, INTERACT, step)
    return jnp.where(wish[place] > 0, to_place, idle).astype(jnp.int32)


def main_meters(env: Hamlet) -> np.ndarray:
    """[affordance]: the meter that one use raises most; money, where a use pays."""
    world = profile_tables(env.profile)
    gain = world.gains.sum(axis=1) * (world.duration[:, None] if env.profile.temporal else 1)
    gain = (gain + (world.completion if env.profile.temporal else 0)) / world.span
    if "money" in env.profile.meter_names:
        gain[:, env.profile.meter_names.index("money")] *= 1_000
    return gain[:-1].argmax(axis=1)


def episode_of(env: Hamlet, params: Any) -> Callable:
    """(key, numbers) -> return and length of one episode."""
    limit = int(params.max_steps_in_episode)

    def episode(key: Key[Array, ""], numbers: Float[Array, "number"]) -> tuple[Array, Array]:
        player = player_of(numbers)
        first_key, key = jax.random.split(key)
        _, first = env.reset_env(first_key, params)

        def step(carry, key):
            state, alive = carry
            action = action_of(env, player, state)
            _, state, reward, died, _ = env.step_env(key, state, action, params)
            return (state, alive & ~died), (jnp.where(alive, reward, 0.0), alive)

        _, (rewards, lived) = jax.lax.scan(
            step, (first, jnp.bool_(True)), jax.random.split(key, limit)
        )
        return rewards.sum(), lived.sum()

    return episode


def searched(world: str) -> dict[str, Any]:
    """The best player found in a world, with its fresh episodes."""
    began = time.time()
    env, params = make(f"Hamlet-{world}")
    episode = episode_of(env, params)
    size = len(env.profile.affordances) + 2
    of_players = jax.jit(jax.vmap(jax.vmap(episode, (0, None)), (None, 0)))
    mean, spread = jnp.full(size, 0.5), jnp.full(size, 0.35)
    key = jax.random.key(0)
    for _ in range(ROUNDS):
        key, draw_key, play_key = jax.random.split(key, 3)
        numbers = mean + spread * jax.random.normal(draw_key, (PLAYERS, size))
        numbers = jnp.clip(numbers, 0.0, 1.0)
        returns, _ = of_players(jax.random.split(play_key, EPISODES), numbers)
        best = numbers[jnp.argsort(-returns.mean(axis=1))[:KEPT]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.01
    keys = jax.random.split(jax.random.key(1), FRESH)
    returns, lived = map(np.asarray, jax.jit(jax.vmap(episode, (0, None)))(keys, best[0]))
    thresholds = np.asarray(player_of(best[0]).thresholds)
    return {
        "seconds": time.time() - began,
        "return": float(returns.mean()),
        "error": float(returns.std() / np.sqrt(FRESH)),
        "lived": float(lived.mean()),
        "whole": float((lived == params.max_steps_in_episode).mean()),
        "max_steps": int(params.max_steps_in_episode),
        "rule": {
            a.name: f"{env.profile.meter_names[m]} < {t:.2f}"
            for a, m, t in zip(env.profile.affordances, main_meters(env), thresholds, strict=True)
            if a.name in placed(env)
        },
    }


def placed(env: Hamlet) -> set[str]:
    return {env.profile.affordances[i].name for i in env.profile.placed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help="these worlds (default: all)")
    parser.add_argument("--again", action="store_true", help="search those that are recorded, too")
    args = parser.parse_args()
    work = {"players": PLAYERS, "rounds": ROUNDS, "episodes": EPISODES, "fresh": FRESH}
    results = Results(FOLDER / "hamlet_rules.json", work, args.again, anywhere=True)
    for world in args.worlds or WORLDS:
        row = results.measure(lambda world=world: searched(world), world=world)
        print(line(row), flush=True)
    PAGE.write_text(page(sorted(results.rows, key=lambda row: WORLDS.index(row["world"]))))


def page(rows: list[dict[str, Any]]) -> str:
    """docs/hamlet-rules.md."""
    return f"""# How far rules get in Hamlet

Made by `python -m benchmarks.hamlet_rules`; the numbers are in
`benchmarks/results/hamlet_rules.json`. The player has one rule: go to the open, affordable place
whose meter is furthest below the place's threshold, less a penalty for each cell of the way; use it
until the use is done; where no place is wanted, take an idle action. It sees the whole state.
{ROUNDS} rounds of {PLAYERS:,} players search the thresholds (shares of a meter's range; above 1:
always) by the cross-entropy method; the best player then plays {FRESH:,} fresh episodes from the
world's own start, with its own reward (mean ± standard error). A better player may exist.
[recipes.md](recipes.md) and [results.md](results.md) have what the shipped recipes learn;
[hamlet.md](hamlet.md) describes the worlds.

| world | return | lived, steps | whole episodes | the rule |
|---|---|---|---|---|
""" + "".join(line(row) + "\n" for row in rows)


def line(row: dict[str, Any]) -> str:
    rules = ", ".join(f"{place} {when}" for place, when in row["rule"].items())
    return (
        f"| `{row['world']}` | {row['return']:.2f} ± {row['error']:.2f} | {row['lived']:.0f} of"
        f" {row['max_steps']:,} | {row['whole']:.0%} | {rules} |"
    )


if __name__ == "__main__":
    main()
