"""The checks of the doctor's rules on a run's metrics, with their thresholds and reasons.

A check is a pure function of the curves and a few facts; it returns the numbers that it saw, or
None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from elsinore.errors import counted

Curves = Mapping[str, Sequence[np.ndarray]]  # by metric: of each seed its values, [row]


class RunFacts(NamedTuple):
    """Settings and results of a run that rules compare metrics with."""

    first_seed: int = 0
    updates: int = 1_000  # of one seed; as planned until the run has ended
    progress: float = 1.0  # share of the planned that is done; 1 for a run that has ended by itself
    transitions: int = 1_024  # of one update
    target: float | None = None  # `convergence.target`
    solved: bool = False  # every seed has converged
    max_grad_norm: float | None = None
    time_limit: int | None = None  # steps
    max_entropy: float | None = None  # of the policy, where actions are discrete; nats
    eval_episodes: int = 32  # of one seed
    eval_agents: int = 1  # in each; their returns may be one, so they are no samples of their own
    # the largest absolute return of an episode; None where action values have another unit
    max_return: float | None = None
    # begins with a policy that has learnt nothing, against no rival that learns, too
    untrained: bool = True
    # evaluations of one seed with each other; false where they are of a curriculum's stages
    comparable: bool = True


class Limits(NamedTuple):
    """Thresholds of the rules."""

    # Uniform play has 1, and Acrobot's preset, which solves it, 0.05 after a quarter of the run.
    collapsed_entropy: float = 0.02
    early: float = 0.25  # "Early" and "late" are the first and last quarter of what was trained.
    # After three quarters of a run a policy that learns differs from uniform play by more.
    random_entropy: float = 0.98
    # PPO implementations stop an update at 0.015 to 0.05; tenfold is no small step.
    kl: float = 0.2
    # A few such rows, each the mean of its updates, are normal at the very start.
    kl_share: float = 0.05
    kl_of_one: float = 5.0  # Updates that are this far in the mean of a row replace the policy.
    # 0.1 to 0.3 is usual. Above this most of a rollout no longer gives a gradient.
    clip_fraction: float = 0.5
    # Tuned runs move by 1e-3 to 1e-2 nats an update; less than this is standing still.
    still_kl: float = 1e-6
    # Targets of fewer transitions than this vary too little for the next number to mean much.
    few_transitions: int = 256
    explained_variance: float = -0.1  # A constant has 0, give or take some hundredths.
    # Action values bound the discounted return, which is at most the return if rewards are >= 0.
    overestimation: float = 2.0
    # Targets of C51 that had to be moved to a bound; tails of a distribution are less.
    beyond_support: float = 0.05
    # Clipping to 0.5 a norm of several is usual; a hundred times more is another scale.
    clipped_ratio: float = 100.0
    explosion: float = 100.0  # Late norms over early ones; norms fall in runs that learn.
    # Seeds of a sound setting end within a half of the improvement of the best.
    seed_gap: float = 0.5
    # A window's standard error above a quarter of all improvement hides what is learnt.
    noise: float = 0.25
    loss_of_best: float = 0.3  # A final return this share of the improvement below the best.
    rows: int = 20  # With fewer rows of training returns a rise cannot be told from chance;
    evaluations: int = 6  # with fewer evaluations, likewise.
    first_rows: int = 3  # In these little is learnt.
    # Of the late training returns that are below the first ones: without progress most are.
    late_below: float = 0.25
    few_updates: int = 20  # Fewer policies than this are hardly a search.


LIMITS = Limits()
RuleCheck = Callable[[Curves, RunFacts], str | None]


def finite(curves: Curves, name: str) -> list[np.ndarray]:
    """The finite values of each seed, without seeds that have none."""
    found = [np.asarray(x, float) for x in curves.get(name, ())]
    return [x[np.isfinite(x)] for x in found if np.isfinite(x).any()]


def of_each_seed(
    curves: Curves, facts: RunFacts, *names: str
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The finite values of the metrics of each seed that has them, after "seed 3: " for a text
    about it, which is empty if there is one seed."""
    seeds = list(zip(*(curves.get(name, ()) for name in names), strict=False))
    for i, metrics in enumerate(seeds):
        found = [np.asarray(x, float) for x in metrics]
        found = [x[np.isfinite(x)] for x in found]
        if all(map(len, found)):
            yield f"seed {facts.first_seed + i}: " if len(seeds) > 1 else "", found


def parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last quarter of a curve, each of at least one value."""
    size = max(1, int(len(values) * LIMITS.early))
    return values[:size], values[-size:]


def standard_error(spread: np.ndarray, facts: RunFacts) -> float:
    """The standard error of a late evaluation, from the standard deviations of its episodes."""
    return float(parts(spread)[1].mean()) / facts.eval_episodes**0.5


def diverged(curves: Curves, facts: RunFacts) -> str | None:
    broken = [
        name
        for name, seeds in curves.items()
        if name.startswith(("loss/", "learner/", "policy/", "value/"))
        and any(not np.isfinite(np.asarray(x, float)).all() for x in seeds)
    ]
    return f"{', '.join(broken[:3])} became infinite or NaN" if broken else None


def returns_not_finite(curves: Curves, facts: RunFacts) -> str | None:
    for name in ("episode/return", "eval/return"):
        values = [np.asarray(x, float) for x in curves.get(name, ())]
        broken = sum(int((~np.isfinite(x)).sum()) for x in values)
        if broken:
            rows = counted(sum(map(len, values)), "row")
            return f"{name} is infinite or NaN in {broken} of {rows}"
    return None


def entropy_collapse(curves: Curves, facts: RunFacts) -> str | None:
    if facts.max_entropy is None or facts.solved:
        return None
    shares = [parts(x)[0][-1] / facts.max_entropy for x in finite(curves, "policy/entropy")]
    low = [share for share in shares if share < LIMITS.collapsed_entropy]
    return f"entropy at {min(low):.1%} of uniform play after the first quarter" if low else None


def policy_stays_random(curves: Curves, facts: RunFacts) -> str | None:
    too_early = facts.progress < 1 - LIMITS.early
    if facts.max_entropy is None or facts.solved or too_early:
        return None
    late = [parts(x)[1].mean() / facts.max_entropy for x in finite(curves, "policy/entropy")]
    if late and min(late) > LIMITS.random_entropy:
        return f"entropy at {min(late):.1%} of uniform play in the last quarter"
    return None


def kl_spikes(curves: Curves, facts: RunFacts) -> str | None:
    for seed, (kl,) in of_each_seed(curves, facts, "policy/kl"):
        share = float((kl > LIMITS.kl).mean())
        if share > LIMITS.kl_share or kl.max() > LIMITS.kl_of_one:
            return f"{seed}KL above {LIMITS.kl} in {share:.0%} of the rows, up to {kl.max():.3g}"
    return None


def clipped_often(curves: Curves, facts: RunFacts) -> str | None:
    means = [float(x.mean()) for x in finite(curves, "policy/clip_fraction")]
    if means and max(means) > LIMITS.clip_fraction:
        return f"{max(means):.0%} of the probability ratios were clipped, on the mean"
    return None


def policy_stands_still(curves: Curves, facts: RunFacts) -> str | None:
    medians = [float(np.median(np.abs(x))) for x in finite(curves, "policy/kl")]
    if medians and not facts.solved and min(medians) < LIMITS.still_kl:
        return f"an update changes the policy by a KL of {min(medians):.1e}, in the median"
    return None


def critic_below_zero(curves: Curves, facts: RunFacts) -> str | None:
    if facts.transitions < LIMITS.few_transitions:
        return None
    late = [float(np.median(x[len(x) // 2 :])) for x in finite(curves, "value/explained_variance")]
    low = [x for x in late if x < LIMITS.explained_variance]
    return f"explained variance {min(low):.2f} in the second half (median)" if low else None


def values_too_large(curves: Curves, facts: RunFacts) -> str | None:
    late = [float(np.abs(parts(x)[1]).mean()) for x in finite(curves, "value/q")]
    if late and facts.max_return is not None:
        bound = LIMITS.overestimation * max(facts.max_return, 1.0)
        if max(late) > bound:
            largest = f"{facts.max_return:.3g}"
            return f"action values of {max(late):.3g}; the largest return is {largest} in size"
    return None


def returns_beyond_support(curves: Curves, facts: RunFacts) -> str | None:
    shares = [float(parts(x)[1].mean()) for x in finite(curves, "value/beyond_support")]
    if shares and max(shares) > LIMITS.beyond_support:
        return f"{max(shares):.0%} of the mass of targets is beyond v_min or v_max at the end"
    return None


def gradients_always_clipped(curves: Curves, facts: RunFacts) -> str | None:
    if facts.max_grad_norm is None or not np.isfinite(facts.max_grad_norm):
        return None
    ratios = [np.median(x) / facts.max_grad_norm for x in finite(curves, "learner/gradient_norm")]
    if ratios and max(ratios) > LIMITS.clipped_ratio:
        return (
            f"max_grad_norm={facts.max_grad_norm:g} divides gradients by {max(ratios):.0f} (median)"
        )
    return None


def gradients_explode(curves: Curves, facts: RunFacts) -> str | None:
    for seed, (values,) in of_each_seed(curves, facts, "learner/gradient_norm"):
        early, late = (float(np.median(x)) for x in parts(values))
        if late > LIMITS.explosion * max(early, 1e-6):
            return f"{seed}gradient norm {early:.3g} early, {late:.3g} late (medians)"
    return None


def no_reward(curves: Curves, facts: RunFacts) -> str | None:
    returns = finite(curves, "episode/return") + finite(curves, "eval/return")
    values = np.concatenate(returns) if returns else np.array([])
    if len(values) > 4 and not facts.solved and np.ptp(values) == 0.0:
        return f"every episode of {len(values)} rows returned {values[0]:g}"
    return None


def teacher_is_idle(curves: Curves, facts: RunFacts) -> str | None:
    found = [finite(curves, f"imitation/{name}") for name in ("loss", "agreement")]
    if all(found) and not any(x.any() for seeds in found for x in seeds):
        return "loss 0 and agreement 0 in the last update of imitation"
    return None


def no_episode_ended(curves: Curves, facts: RunFacts) -> str | None:
    counts = [x.sum() for x in finite(curves, "episode/count")]
    return "no training episode ended" if counts and max(counts) == 0 else None


def evaluation_is_cut(curves: Curves, facts: RunFacts) -> str | None:
    episodes = facts.eval_episodes * facts.eval_agents
    shares = [x[-1] / episodes for x in finite(curves, "eval/unfinished")]
    if shares and max(shares) > 0.5:
        return f"{max(shares):.0%} of the last evaluation's episodes were cut before their end"
    return None


def stuck_at_the_time_limit(curves: Curves, facts: RunFacts) -> str | None:
    lengths = finite(curves, "eval/length")
    returns = finite(curves, "eval/return")
    if facts.time_limit is None or facts.solved or not lengths or not returns:
        return None
    always = all((x >= facts.time_limit).all() and len(x) > 2 for x in lengths)
    better = any(x.max() > x[0] for x in returns)
    if always and not better:
        length = counted(facts.time_limit, "step")
        return f"every episode lasted {length}, and no evaluation beat the first"
    return None


def seeds_disagree(curves: Curves, facts: RunFacts) -> str | None:
    returns = finite(curves, "eval/return")
    if len(returns) < 2:
        return None
    ends, first = [parts(x)[1].mean() for x in returns], min(x[0] for x in returns)
    gap, gained = max(ends) - min(ends), max(ends) - first
    errors = [standard_error(x, facts) for x in finite(curves, "eval/return_std")]
    by_chance = gap <= 3 * max(errors, default=0.0)
    if gained > 0 and gap > LIMITS.seed_gap * gained and not by_chance:
        return f"the best seed ends at {max(ends):.4g}, the worst at {min(ends):.4g}"
    return None


def evaluation_is_noisy(curves: Curves, facts: RunFacts) -> str | None:
    for seed, (returns, spread) in of_each_seed(curves, facts, "eval/return", "eval/return_std"):
        error = standard_error(spread, facts)
        scale = returns.max() - returns[0]
        if facts.target is not None:
            scale = max(scale, facts.target - returns[0])
        if scale > 0 and error > LIMITS.noise * scale:
            return f"{seed}a standard error of {error:.3g} beside an improvement of {scale:.3g}"
    return None


def last_is_worse(curves: Curves, facts: RunFacts) -> str | None:
    for seed, (returns, spread) in of_each_seed(curves, facts, "eval/return", "eval/return_std"):
        end, best = returns[-3:].mean(), returns.max()
        error = spread.max() / facts.eval_episodes**0.5
        lost = 0.0 if returns[-1] == best else best - end  # a few evaluations may all be "the last"
        if lost > LIMITS.loss_of_best * (best - returns.min()) and lost > 3 * error:
            return f"{seed}the best evaluation was {best:.4g}, the last three {end:.4g}"
    return None


def plateau_below_target(curves: Curves, facts: RunFacts) -> str | None:
    if facts.target is None or facts.solved:
        return None
    for seed, (returns,) in of_each_seed(curves, facts, "eval/return"):
        at, best = int(np.argmax(returns)), float(returns.max())
        if len(returns) > 5 and at < len(returns) // 2 and best < facts.target:
            beaten = f"no evaluation after the first half beat {best:.4g}"
            return f"{seed}{beaten}; target {facts.target:.4g}"
    return None


def nothing_is_learnt(curves: Curves, facts: RunFacts) -> str | None:
    """Of the first rows the policy is nearly untrained, also where most is learnt soon after; the
    very first has only the episodes that were short."""
    if facts.solved or not facts.untrained:
        return None
    names = ("episode/return", "eval/return", "eval/return_std")
    for seed, (training, returns, spread) in of_each_seed(curves, facts, *names):
        if len(training) < LIMITS.rows or len(returns) < LIMITS.evaluations or not np.ptp(training):
            continue
        late, end = parts(training)[1], float(parts(returns)[1].mean())
        first = float(training[: LIMITS.first_rows].max())
        risen = first < np.quantile(late, LIMITS.late_below)
        if not risen and end <= returns[0] + standard_error(spread, facts):
            from_to = "training returns from {:.4g} to {:.4g}, evaluations from {:.4g} to {:.4g}"
            return seed + from_to.format(first, late.mean(), returns[0], end)
    return None


def too_few_updates(curves: Curves, facts: RunFacts) -> str | None:
    few = facts.updates < LIMITS.few_updates and not facts.solved
    return f"only {counted(facts.updates, 'update')}" if few else None
