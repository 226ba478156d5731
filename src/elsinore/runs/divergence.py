"""Parameters that are not finite: those of a learner that diverged, with the remedy for its cause,
and initial ones, which are refused."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan
from elsinore.errors import (
    RepeatedError,
    counted,
    env_check,
    names_custom_code,
    setting_text,
)
from elsinore.jaxtools import processes
from elsinore.runs.members import learner_names
from elsinore.runs.pipeline import FinishedChunk
from elsinore.training.early_stopping import Convergence
from elsinore.training.turns import fetch_turns


def diverged_seeds(convergence: Convergence, first_seed: int) -> set[int]:
    """The seeds that have diverged; `convergence` is of all, [replica], in host memory."""
    return {first_seed + int(i) for i in np.flatnonzero(convergence.diverged_at >= 0)}


def divergence_text(plan: Plan, chunk: FinishedChunk, i: int) -> str:
    """The warning about replica `i`, which has diverged in that chunk."""
    experiment, at = plan.experiment, int(chunk.report.convergence.diverged_at[i])
    lower = "a lower algo.learning_rate is the usual remedy"
    if experiment.imitation is not None:
        lower += f", or {experiment.imitation.remedy}"
    broken = " and ".join(not_finite(plan, chunk, i))
    how = env_check(experiment.env, by_name=not experiment.env_kwargs)
    check = f"a division by 0, a logarithm or an overflow in it ({how})"
    if broken and _takes_numbers(plan):  # actions that are not finite may be the cause
        remedy = f"{lower}; its env gave {broken} that are not finite, too: else look for {check}"
    elif broken:
        remedy = f"its env gave {broken} that are not finite: look for {check}"
    elif names_custom_code(experiment.env):
        remedy = f"{lower}, if the env never gives an observation that is not finite"
    else:
        remedy = lower
    name = learner_names(experiment)[i]
    return f"{name} has parameters that are not finite after update {at} and is frozen; {remedy}"


def refuse_not_finite(plan: Plan, params: PyTree) -> None:
    """Refuse to train from parameters, [replica, ...] in host memory, that are not finite.

    Raises:
        RepeatedError: naming the first, and the code that made it.
    """
    for path, x in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(x.dtype, jnp.inexact) or np.isfinite(x).all():
            continue
        i = int(np.argmax([not np.isfinite(each).all() for each in x]))
        broken, name = int((~np.isfinite(x[i])).sum()), learner_names(plan.experiment)[i]
        code = [f"{k}={setting_text(v)!r}" for k, v in plan.custom_code.items() if k != "env"]
        where = jax.tree_util.keystr(path, simple=True, separator=".")
        imitation = plan.experiment.imitation
        remedy = "" if imitation is None else f", or {imitation.remedy}"
        raise RepeatedError(
            f"the parameter {where} of {name} is not finite before any training, in"
            f" {counted(broken, 'number')} of {x[i].size:,}; give it finite initial"
            f" values{' in ' + ' or '.join(code) if code else ''}{remedy}."
        )


def not_finite(plan: Plan, chunk: FinishedChunk, i: int) -> Iterator[str]:
    """The parts of a replica's experience that hold NaN or infinity, by the running episodes, the
    normalisers and the returns; of several processes by the returns alone. Without a normaliser an
    observation of an episode that has ended is not seen."""
    obs, obs_stats, running, return_stats = (), (), (), ()
    if not processes.joined():  # the others would have to bring their parts
        parts = [(turn.train.actor, turn.train.stats) for turn in chunk.state]
        seen = [
            (actor.obs, _of_each(stats, "obs"), actor.episode_return, _of_each(stats, "returns"))
            for actor, stats in parts
        ]
        obs, obs_stats, running, return_stats = fetch_turns(seen, plan.layout)
    metrics = chunk.report.metrics
    returns = [mean.total for (_, name), mean in metrics.items() if name == "episode/return"]
    if not _finite((obs, obs_stats), i):
        yield "observations"
    if not _finite((running, return_stats, returns), i):
        yield "rewards"


def _of_each(stats: Any, field: str) -> list[Any]:
    """That field of the normalisers, or of those of each group of agents."""
    each = [stats] if hasattr(stats, field) or not isinstance(stats, tuple) else stats
    return [getattr(one, field, None) for one in each]


def _finite(tree: Any, i: int) -> bool:
    numbers = (x[i] for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact))
    return all(bool(np.isfinite(x).all()) for x in numbers)


def _takes_numbers(plan: Plan) -> bool:
    """True for an env whose actions may be NaN."""
    space = plan.env.action_space(plan.env_params)
    return jnp.issubdtype(getattr(space, "dtype", jnp.int32), jnp.inexact)
