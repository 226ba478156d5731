"""Warnings of a plan: settings that are lawful, and seldom meant. Each is a list of one line, or of
none."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.config.schedule import longer
from elsinore.errors import counted
from elsinore.nets.encoders import SMALLEST

FEW_EPISODES = 30  # behind a decision, below which its standard error is printed
# The greatest whole number up to which bfloat16, with 8 significant bits, has every one.
EXACT = 256.0
NOT_SCALED = ("normal", "gsde")  # distributions of actions that are clipped to the bounds
BOUNDLESS = 1e30  # what stands for no bound
FEW_WITHIN = 0.05  # share of a normal's first actions within the bounds, below which it warns
WIDE = 100.0  # width of a range, in deviations of a normal's first actions, above which it warns
SPREAD = 0.2  # of returns, as a share of the target: the assumption of that warning


def few_episodes(experiment: Experiment) -> list[str]:
    """A warning where an evaluation is too small to tell whether its target is reached."""
    test, episodes = experiment.convergence, experiment.evaluation.episodes
    trained = test.counts == "episodes"
    number = test.window * (1 if trained else episodes)
    if test.target is None or not test.enabled or number >= FEW_EPISODES:
        return []
    spread = SPREAD * abs(test.target)
    error = spread / math.sqrt(number)
    judged_by = f"{number} training" if trained else f"{test.window} x {episodes}"
    s = "s" * (number != 1)
    return [
        f"warning         convergence is judged by {judged_by} episode{s}: where"
        f" returns spread by {spread:.3g} ({SPREAD:.0%} of the target), their mean has a standard"
        f" error of {error:.2g}, and cannot tell {test.target - error:.4g} from {test.target:g};"
        f" raise {'convergence.window' if trained else 'evaluation.episodes'}"
    ]


def rivals_never_frozen(plan: Plan) -> list[str]:
    """A warning where self-play ends before the policy has met a copy of itself."""
    rivals, updates = plan.experiment.self_play, plan.schedule.num_updates
    if rivals is None or updates > rivals.period:
        return []
    return [
        f"warning         self_play.period={rivals.period} freezes no policy that this run of"
        f" {counted(updates, 'update')} plays against: every rival moves at random; lower it, or"
        f" {longer(plan.experiment)}"
    ]


def unscaled_images(plan: Plan) -> list[str]:
    """A warning where images such as Atari's are read by the small convolutions, as they are."""
    seen = plan.state_shapes.train.actor.obs  # of all envs
    shape = getattr(seen, "shape", ())[1:]
    if len(shape) != 3 or min(shape[:2]) < SMALLEST or seen.dtype != np.uint8:
        return []
    if not any(_reads_raw_images(algo) for algo in plan.experiment.learners):
        return []
    return [
        f"warning         images of {list(shape)} are read as numbers from 0 to 255, by"
        " convolutions without a stride; set algo.network.encoder: nature, which scales them"
    ]


def _reads_raw_images(algo: Any) -> bool:
    encoder = getattr(getattr(algo, "network", None), "encoder", None)
    return encoder in ("auto", "cnn") and not getattr(algo, "normalize_obs", False)


def rounded_observations(plan: Plan) -> list[str]:
    """A warning where bfloat16 rounds observations whose range is wide."""
    if not any(_rounds(algo) for algo in plan.experiment.learners):
        return []
    bound = max(_finite_bounds(plan.env.observation_space(plan.env_params)), default=0.0)
    if bound <= EXACT:
        return []
    return [
        f"warning         algo.network.dtype=bfloat16 rounds observations to 8 significant bits:"
        f" at their bound of {bound:g} to multiples of {_bound_step(bound):g}, so that smaller"
        " differences are lost; set algo.normalize_obs: true, or algo.network.dtype: float32"
    ]


def _rounds(algo: Any) -> bool:
    """True for settings whose network computes in bfloat16 what it sees as it is; an algorithm of
    the user may have neither setting."""
    dtype = getattr(getattr(algo, "network", None), "dtype", None)
    return dtype == "bfloat16" and not getattr(algo, "normalize_obs", False)


def _bound_step(bound: float) -> float:
    """The distance of neighbouring numbers of bfloat16 at a size."""
    return 2.0 ** (math.floor(math.log2(bound)) - 7)


def unscaled_actions(plan: Plan) -> list[str]:
    """A warning where normal actions begin beyond the bounds, or reach little of a wide range."""
    space = plan.env.action_space(plan.env_params)
    normal = [
        x for x in plan.experiment.learners if getattr(x, "action_distribution", "") in NOT_SCALED
    ]
    if type(space).__name__ != "Box" or not normal:
        return []
    network = getattr(normal[0], "network", None)  # an algorithm of the user may have none
    deviation = math.exp(getattr(network, "initial_log_std", 0.0))
    bounds = np.broadcast_arrays(*(np.ravel(np.float64(x)) for x in (space.low, space.high)))
    for i, (low, high) in enumerate(zip(*bounds, strict=True)):
        within = _normal_cdf(high / deviation) - _normal_cdf(low / deviation)
        if within < FEW_WITHIN:
            said = f"of which {within:.1%} lie within the bounds, and the others are clipped to one"
        elif WIDE * deviation < high - low < BOUNDLESS:
            said = f"which reach {2 * deviation / (high - low):.1%} of the range"
        else:
            continue
        return [
            f"warning         actions begin as normals around 0 with deviation {deviation:g},"
            f" {said} of action {i}, from {low:g} to {high:g}; set algo.action_distribution:"
            " squashed, which scales actions to their bounds"
        ]
    return []


def _normal_cdf(x: float) -> float:
    """The share of a standard normal that is below `x`."""
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _finite_bounds(space: Any) -> Iterator[float]:
    """The sizes of the finite bounds of every Box in an observation space."""
    parts = getattr(space, "spaces", None)
    if parts is not None:
        for part in parts.values() if isinstance(parts, dict) else parts:
            yield from _finite_bounds(part)
        return
    for side in ("low", "high"):
        sizes = np.abs(np.asarray(getattr(space, side, 0.0), np.float64))
        yield float(np.max(sizes, where=sizes < BOUNDLESS, initial=0.0))
