"""What every shipped config and curriculum reaches, over 8 seeds or more: makes docs/recipes.md.

    python -m benchmarks.recipes [--again] [NAME ...]

Each recipe is trained as `elsinore train` would, with its own budget and convergence; then each
seed's final policy plays 128 fresh whole episodes in the environment of its evaluations. A recipe
that is recorded with its file of today is not trained again, so the driver can be stopped and
started again. `docs/results.md` has the presets.
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from benchmarks.cases import by_rule
from benchmarks.few_episodes import QUIET
from elsinore.config.presets import preset

HERE = Path(__file__).parent
ROOT = HERE.parent
RECORD, PAGE = HERE / "results" / "recipes.json", ROOT / "docs" / "recipes.md"
TRAINED = {name: value for name, value in QUIET.items() if not name.startswith(("conv", "eval"))}


class Recipe(NamedTuple):
    """A config, or an env with an algorithm; `bound` is the best that is known, `rule` what a
    rule-based player reaches."""

    name: str
    config: str | None = None
    env: str | None = None
    algo: str | None = None
    settings: dict[str, Any] = {}  # noqa: RUF012, never changed
    seeds: int = 8
    rule: str = "–"
    bound: str = "–"


ADVERSARIAL = {"curriculum": "configs/curricula/hamlet-adversarial.yaml"}


def searched(world: str) -> str:
    """What the best searched rule earns in a Hamlet world."""
    return f"{by_rule(world).value:,.2f}"


LIVES = "500 steps"
CLASSIC, MOOD = searched("classic4"), searched("mood6")
FLUSH = "1.69 (greedy-flush)"
RECIPES = (
    Recipe("four stages", "configs/hamlet/curriculum.yaml", seeds=16, rule=CLASSIC, bound=LIVES),
    Recipe("L0_0", "configs/hamlet/L0_0.yaml", rule=searched("L0_0"), bound="the rule's"),
    Recipe("L0_5", "configs/hamlet/L0_5.yaml", rule=searched("L0_5"), bound="2,000 steps"),
    Recipe("mood6", "configs/hamlet/mood6.yaml", rule=MOOD, bound="63.7 (the best seed)"),
    Recipe("adversarial", None, "Hamlet-mood6", "ppo", ADVERSARIAL, rule=MOOD, bound=LIVES),
    Recipe(
        "beginners' DQN", "configs/hamlet/example_dqn.yaml", rule=searched("base6"), bound=LIVES
    ),
    Recipe("older DQN", "configs/hamlet/dqn-seed.yaml", rule=searched("base6"), bound=LIVES),
    Recipe("few episodes", "configs/hamlet/few_episodes.yaml", rule=CLASSIC, bound=LIVES),
    Recipe("older PPO, one ante", "configs/balatro/ppo-seed.yaml", rule=FLUSH, bound="2"),
    Recipe("older A2C, one ante", "configs/balatro/a2c-seed.yaml", rule=FLUSH, bound="2"),
    Recipe("older DQN, one ante", "configs/balatro/dqn-seed.yaml", rule=FLUSH, bound="2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="NAME", help="these recipes (default: all)")
    parser.add_argument("--again", action="store_true", help="train those that are recorded, too")
    args = parser.parse_args()
    rows = {row["name"]: row for row in recorded()}
    for recipe in RECIPES:
        if args.only and recipe.name not in args.only:
            continue
        known = rows.get(recipe.name, {}).get("digest") == digest(recipe)
        if args.again or not known:
            rows[recipe.name] = measured(recipe)
            written([rows[x.name] for x in RECIPES if x.name in rows])
        print(line(recipe, rows[recipe.name]), flush=True)


def recorded() -> list[dict[str, Any]]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else []


def digest(recipe: Recipe) -> str:
    """A digest of what the recipe says, files included; their comments are not."""
    named = [recipe.config, recipe.settings.get("curriculum")]
    files = [yaml.safe_load((ROOT / name).read_text()) for name in named if isinstance(name, str)]
    if recipe.env is not None:
        files.append(preset(f"{recipe.algo}/{recipe.env}"))
    said = json.dumps([recipe.env, recipe.algo, recipe.settings, recipe.seeds, *files], default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def measured(recipe: Recipe) -> dict[str, Any]:
    """Train every seed, and read the returns and lengths of its evaluations."""
    import elsinore
    from benchmarks.longer import random_return

    began = time.time()
    overrides = TRAINED | recipe.settings
    with tempfile.TemporaryDirectory() as folder:
        run = elsinore.train(
            recipe.env,
            recipe.algo,
            config=None if recipe.config is None else ROOT / recipe.config,
            overrides=overrides,
            seeds=recipe.seeds,
            runs_dir=folder,
        )
        seconds, summary, rows = time.time() - began, run.summary, run.metrics
    lived = rows[rows.name == "eval/length"].sort_values("update").groupby("seed").value.last()  # pyright: ignore[reportCallIssue]
    return {
        "name": recipe.name,
        "digest": digest(recipe),
        "env_steps": run.plan.env_steps,
        "seconds": seconds,
        "random": float(random_return(run.plan)),
        "returns": summary["eval_return"]["per_seed"],
        "lengths": lived.tolist(),
        "converged": summary["converged"],
    }


def line(recipe: Recipe, row: dict[str, Any]) -> str:
    """A row of the page."""
    from elsinore.runs.statistics import ci95, iqm

    returns, lengths = np.array(row["returns"]), np.array(row["lengths"])
    low, high = ci95(returns) or (np.nan, np.nan)
    seconds = "–" if row["seconds"] is None else f"{row['seconds']:.0f}"
    what = f"`{recipe.config}`" if recipe.config else f"`{recipe.env}` `{recipe.algo}`"
    return (
        f"| {recipe.name} | {what} | {len(returns)} | {row['env_steps']:,} |"
        f" {row['random']:.2f} | {recipe.rule} | {iqm(returns):.2f} [{low:.2f}, {high:.2f}] |"
        f" {returns.min():.2f} | {np.mean(lengths):.0f} ({lengths.min():.0f}) |"
        f" {recipe.bound} | {sum(row['converged'])} | {seconds} |"
    )


HEADER = """# What every shipped recipe reaches

Made by `python -m benchmarks.recipes`; the numbers of every seed are in
`benchmarks/results/recipes.json`. Returns are greedy, of 128 fresh whole episodes of each seed's
final policy in the environment of its evaluations; *random* is the mean return of uniform random
actions there, *rule* what a rule-based player reaches (in Hamlet the best of
[searched rules](hamlet-rules.md)), *lives* the mean length of the last evaluation's episodes (the
worst seed's). Seconds are of all seeds on two cores that were busy with other work; a dash is of
a process that was paused.
[results.md](results.md) has the presets.

"""
COLUMNS = ("recipe", "config", "seeds", "env steps", "random", "rule", "return, IQM [95 %]")
COLUMNS += ("worst seed", "lives", "best known", "converged", "s")
HEADER += f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def written(rows: list[dict[str, Any]]) -> None:
    """The record and its page."""
    RECORD.write_text(json.dumps(rows, indent=1) + "\n")
    by_name = {recipe.name: recipe for recipe in RECIPES}
    lines = [line(by_name[row["name"]], row) for row in rows]
    if missing := [x for x in RECIPES if x.name not in {row["name"] for row in rows}]:
        names = ", ".join(f"{x.name} (`{x.config or x.env}`)" for x in missing)
        lines.append(f"\nNot measured yet: {names}.")
    PAGE.write_text("\n".join([HEADER, *lines]) + "\n")


if __name__ == "__main__":
    main()
