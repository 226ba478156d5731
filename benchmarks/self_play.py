"""Strength of policies learnt by self-play: PPO on Nim and tic-tac-toe against frozen copies.

    python -m benchmarks.self_play [--games Nim,...] [--seeds 8] [--again]

Each game is trained once, all seeds side by side; then the policies of a seed at several ages play
each other, and the last one the random and the perfect player. A finished game is not
measured again.
"""

import argparse
import tempfile
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import FOLDER, Results

ALONE = "Nim against random"  # the same training without self-play, to compare with
GAMES = ("Nim", ALONE, "pgx/tic_tac_toe")
SELF_PLAY = {"pool": 8, "period": 20, "latest": 0.5}
STEPS = {"Nim": 1_000_000, "pgx/tic_tac_toe": 1_000_000}  # of each seed
BOARDS = {  # of Pgx's games
    "algo.num_envs": 64,
    "algo.rollout_length": 32,
    "algo.learning_rate": 1e-3,
    "algo.network.encoder": "mlp",
}
AGES = 8  # policies of a seed that play each other, besides the first one, which plays at random
MATCH = 200  # games of each pair of a seed's policies
AGAINST_RANDOM = 1000  # games of each seed
QUIET = {"sinks.console": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=FOLDER / "self_play.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"self_play": SELF_PLAY, "match": MATCH, "seeds": args.seeds}
    results = Results(args.out, work, args.again)
    for game in args.games.split(","):
        row = results.measure(partial(measured, game, args.seeds), game=game)
        print(table(row), flush=True)
    results.save()


def env_of(game: str) -> str:
    """The name of a game's environment."""
    return game.split()[0]


def settings(game: str) -> dict[str, Any]:
    """Of a whole experiment: about `AGES` checkpoints that stay, evaluations against random."""
    algo = BOARDS if game.startswith("pgx") else {}
    return {
        **QUIET,
        **algo,
        "self_play": None if game == ALONE else SELF_PLAY,
        "env_steps": STEPS[env_of(game)],
        "evaluation.episodes": 32,
        "convergence.enabled": False,
        "replays.share": 0,
        "replays.ends": False,
        "checkpoints.period": 1,
        "checkpoints.best": 0,
    }


def measured(game: str, seeds: int) -> dict[str, Any]:
    """Train, and play the policies of each seed."""
    import elsinore

    with tempfile.TemporaryDirectory() as folder:
        trained = elsinore.train(
            env_of(game), overrides=settings(game), seeds=seeds, runs_dir=folder
        )
        kept = sorted(trained.checkpoints(), key=lambda x: x["update"])
        names = {x["update"]: x["name"] for x in kept}  # one of each update
        updates = np.linspace(0, len(names) - 1, AGES).round().astype(int)
        ages = [trained.state(list(names.values())[i]) for i in dict.fromkeys(updates)]
        return played(game, trained.plan, ages, seeds)


def played(game: str, plan: Any, ages: list[Any], seeds: int) -> dict[str, Any]:
    """The results of each seed's last policy, and of its policies against each other."""
    import jax

    first = jax.tree.map(np.zeros_like, ages[0].train.policy_state)
    updates = [0, *(int(state.train.update.max()) for state in ages)]
    states = [first, *(state.train.policy_state for state in ages)]
    of = lambda age, seed: jax.tree.map(lambda x: x[seed], states[age])  # noqa: E731
    last, match = len(states) - 1, players_of(plan)
    size = len(states)
    wins, draws = np.zeros((2, size, size), int)
    for seed in range(seeds):
        for i, j in combinations(range(size), 2):
            won, lost = match(of(j, seed), of(i, seed), 1000 * seed + size * i + j)
            wins[j, i], wins[i, j] = wins[j, i] + won, wins[i, j] + lost
            draws[[i, j], [j, i]] += MATCH - won - lost
    at_random = random_player_of(plan)
    own = [at_random(of(last, seed), seed) for seed in range(seeds)]
    nim = game.startswith("Nim")
    by_rule = (perfect_moves, from_won_positions) if nim else (lost_to_perfect,)
    return {
        "env_steps": plan.env_steps,
        "updates": updates,
        "wins": wins.tolist(),
        "draws": draws.tolist(),
        "elo": [list(map(float, x)) for x in rated(wins, draws)],
        "random_won": [won for won, _ in own],
        "random_lost": [lost for _, lost in own],
        **{f.__name__: [f(plan, of(last, seed), seed) for seed in range(seeds)] for f in by_rule},
    }


def rated(wins: np.ndarray, draws: np.ndarray) -> list[Any]:
    from elsinore.analysis.elo import elo

    return elo(wins, draws, prior=1.0)


def players_of(plan: Any) -> Any:
    """A function (policy, rival's policy, number) -> (games won, games lost) of `MATCH` games in
    which both draw their moves as in training."""
    import jax

    from elsinore.envs.rivals import Rival
    from elsinore.training.evaluation import evaluate

    algo = plan.program.algo
    act = lambda key, params, obs: algo.policy.act(key, params, (), obs, False)[0]  # noqa: E731

    @jax.jit
    def match(mine: Any, other: Any, key: Any) -> Any:
        env = plan.env.with_rival(Rival(act, other))
        facts = evaluate(
            algo, env, env.default_params, mine, key, episodes=MATCH, max_steps=100, greedy=False
        ).facts
        return facts["won"].sum(), facts["lost"].sum()

    return lambda mine, other, number: [int(x) for x in match(mine, other, jax.random.key(number))]


def lost_to_perfect(plan: Any, policy_state: Any, seed: int) -> float:
    """The share of games that its likeliest moves lose to the perfect player, which draws among all
    moves that keep the value of the position."""
    return random_player_of(plan, "perfect")(policy_state, seed)[1]


def random_player_of(plan: Any, rival: str = "random") -> Any:
    """A function (policy, seed) -> shares of games won and lost by its likeliest moves against the
    random player, or another rival."""
    import jax

    from elsinore.training.evaluation import evaluate

    rest = {"episodes": AGAINST_RANDOM, "max_steps": 100, "greedy": True}
    algo, env = plan.program.algo, plan.env.with_rival(rival)
    play = jax.jit(lambda mine, key: evaluate(algo, env, env.default_params, mine, key, **rest))

    def shares(policy_state: Any, seed: int) -> tuple[float, float]:
        facts = play(policy_state, jax.random.key(10_000 + seed)).facts
        return float(facts["won"].mean()), float(facts["lost"].mean())

    return shares


def won_positions(env: Any) -> list[int]:
    """The heaps from which the player to move can win."""
    return [heap for heap in range(1, env.heap + 1) if heap % (env.most + 1)]


def perfect_moves(plan: Any, policy_state: Any, seed: int) -> float:
    """The share of won positions in which the likeliest move keeps the win."""
    import jax
    import jax.numpy as jnp

    heaps = jnp.array(won_positions(plan.env))
    seen = jax.vmap(plan.env.seen)(heaps)
    act = lambda obs: plan.program.algo.policy.act(  # noqa: E731
        jax.random.key(0), policy_state, (), obs, True
    )[0]
    return float((jax.vmap(act)(seen) + 1 == heaps % (plan.env.most + 1)).mean())


def from_won_positions(plan: Any, policy_state: Any, seed: int) -> float:
    """The share of games won by the likeliest moves against the perfect player, which answers the
    first move; 20 games from each won position."""
    import jax
    import jax.numpy as jnp

    from elsinore.worlds.nim.env import NimState

    env, act = plan.env.with_rival("perfect"), plan.program.algo.policy.act
    params = env.default_params

    def game(key: Any, heap: Any) -> Any:
        def move(loop: Any) -> Any:
            key, state, obs, _, _ = loop
            key, act_key, step_key = jax.random.split(key, 3)
            action, _ = act(act_key, policy_state, (), obs, True)
            obs, state, _, over, info = env.step_env(step_key, state, action, params)
            return key, state, obs, over, info["won"]

        start = NimState(time=jnp.int32(0), heap=heap, answer=jnp.int32(0))
        loop = (key, start, env.seen(heap), jnp.bool_(False), jnp.bool_(False))
        return jax.lax.while_loop(lambda loop: ~loop[3], move, loop)[4]

    heaps = jnp.repeat(jnp.array(won_positions(env)), 20)
    keys = jax.random.split(jax.random.key(20_000 + seed), heaps.size)
    return float(jax.jit(jax.vmap(game))(keys, heaps).mean())


def table(row: dict[str, Any]) -> str:
    """The row in Markdown: the shares of each seed's last policy, and the ratings by age."""
    share = lambda name: f"{np.mean(row[name]):.3f} ({min(row[name]):.3f} the least)"  # noqa: E731
    lines = [
        f"{row['game']}, {row['env_steps']:,} env steps of each of {len(row['random_won'])} seeds"
    ]
    lines.append(
        f"against random: won {share('random_won')}, lost {np.mean(row['random_lost']):.4f}"
    )
    if "lost_to_perfect" in row:
        lost = row["lost_to_perfect"]
        lines.append(f"lost to the perfect player: {np.mean(lost):.4f} ({max(lost):.4f} the most)")
    if "perfect_moves" in row:
        lines.append(f"won positions played perfectly: {share('perfect_moves')}")
        lines.append(f"against perfect from won positions: won {share('from_won_positions')}")
    lines += ["", "| updates | Elo | 95 % interval |", "|---|---|---|"]
    for update, (rating, low, high) in zip(row["updates"], row["elo"], strict=True):
        lines.append(f"| {update} | {rating:.0f} | {low:.0f} to {high:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
