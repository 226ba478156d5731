"""The laws an algorithm must keep for a run of it to mean anything; `check_algorithm` says which it breaks, and how.

for verdict in check_algorithm(my_algorithm, MyConfig()):
    print(verdict.law, verdict.holds, verdict.detail)
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from elsinore.laws import conduct, program
from elsinore.laws.trial import Trial
from elsinore.laws.verdict import Law, Verdict, judge_all
from elsinore.types import Algorithm

LAWS = {
    "interface": Law(program.interface),
    "pure": Law(program.pure, ("interface",)),
    "stable": Law(program.stable, ("pure",)),
    "hyper": Law(program.hyper, ("stable",)),
    "counts": Law(conduct.counts, ("stable",)),
    "seeds": Law(conduct.seeds, ("stable",)),
    "keys": Law(conduct.keys, ("stable",)),
    "vmap": Law(program.vmap, ("seeds",)),
    "act": Law(conduct.act, ("stable",)),
    "masks": Law(conduct.masks, ("act",)),
    "learning": Law(conduct.learning, ("stable",)),
    "metrics": Law(conduct.metrics, ("learning",)),
}
THOROUGH = {"time limits": Law(conduct.time_limits, ("learning",))}


def check_algorithm(
    make: Callable[..., Algorithm],
    config: Any = None,
    *,
    env: Any = None,
    env_params: PyTree = None,
    seed: int = 0,
    env_steps: int = 2_000,
    thorough: bool = False,
) -> list[Verdict]:
    """One verdict for each of `LAWS`, in their order, on `make(config, env, env_params, num_updates) -> Algorithm`.

    Without a `config`: the defaults of the class that `make`'s first argument is annotated with. Without an `env`: a
    small world of the laws' own, `elsinore.laws.probe.Vigil`; with one, what only a known world can tell is asked
    there, if the algorithm can act in it. It trains for `env_steps`, or three updates where that is more;
    `thorough` adds what takes a training to know (`THOROUGH`), of 200,000 env steps at most.
    """
    trial = Trial(make, config, env, env_params, seed, env_steps)
    return judge_all(LAWS | THOROUGH if thorough else LAWS, trial)
