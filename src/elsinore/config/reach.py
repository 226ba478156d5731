"""What a rule of a curriculum can never come to, known before anything is trained."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from elsinore.training.curriculum.conditions import BOUNDS, Condition, Rule

SIGNS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}


class World(NamedTuple):
    """What bounds the episodes of a stage."""

    max_steps: float  # inf: no limit that is known
    flags: frozenset[str]  # names of the world's info that are true or false


def never(condition: Condition, world: World, path: str) -> list[str]:
    """Why a condition can never hold, and where; empty where it can."""
    if condition.any:
        found = [never(part, world, f"{path}.any[{i}]") for i, part in enumerate(condition.any)]
        return found[0] if all(found) else []
    if condition.all:
        found = [never(part, world, f"{path}.all[{i}]") for i, part in enumerate(condition.all)]
        return [reason for reasons in found for reason in reasons]
    return list(_out_of_reach(condition, world, path)) if condition.metric else []


def _out_of_reach(leaf: Condition, world: World, path: str) -> Iterator[str]:
    low, high, why = _range(leaf, world)
    bounds = leaf.bounds
    for name, bound in bounds.items():
        best = high if name in ("above", "at_least") else low
        if not BOUNDS[name](best, bound):
            yield f"{path}.{name}={bound:g} can never hold: {why}."
    upward = [bounds[name] for name in ("above", "at_least") if name in bounds]
    downward = [bounds[name] for name in ("below", "at_most") if name in bounds]
    if upward and downward and max(upward) > min(downward):
        yield f"{path}: no {leaf.metric} is {describe(leaf)}."


def _range(leaf: Condition, world: World) -> tuple[float, float, str]:
    """The least and the most that what is bounded can be, and why."""
    low, high, why = -math.inf, math.inf, ""
    if leaf.metric == "length":
        low, high = 1.0, world.max_steps
        why = f"an episode of this stage has 1 to {world.max_steps:g} steps (max_steps_in_episode)"
    elif leaf.metric == "survival":
        low, high, why = 0.0, 1.0, "survival is an episode's length as a share of its time limit, from 0 to 1"
    elif leaf.metric == "entropy":
        low, high, why = 0.0, 1.0, "entropy is a share of a policy's without preference, from 0 to 1"
    elif leaf.metric in world.flags:
        low, high, why = 0.0, 1.0, f"{leaf.metric} is true or false, so its mean is from 0 to 1"
    elif leaf.metric in ("steps", "episodes"):
        low, why = 0.0, f"{leaf.metric} are counted from 0"
    if leaf.statistic == "progress" and math.isfinite(high):
        return low - high, high - low, f"{why}, and its progress at most {high - low:g} either way"
    return low, high, why


def least_steps(rule: Rule, world: World) -> float:
    """Env steps of a seed without which the rule cannot hold."""
    return max(rule.min_steps, rule.min_episodes, _least(rule, rule.window, world))


def _least(condition: Condition, window: int, world: World) -> float:
    parts: Callable = lambda given: (_least(part, window, world) for part in given)  # noqa: E731
    if condition.any:
        return min(parts(condition.any))
    if condition.all:
        return max(parts(condition.all))
    bound = max(condition.above or 0.0, condition.at_least or 0.0)
    if condition.metric in ("steps", "episodes"):
        return bound
    if not condition.is_of_episodes:
        return 0.0
    steps = {"length": 1.0, "survival": world.max_steps}.get(condition.metric or "", 0.0)
    return window * max(1.0, bound * steps if condition.statistic == "mean" else 0.0)


def quarrel(advance: Rule | None, retreat: Rule | None) -> bool:
    """Whether one score asks for both: a rule of one mean for going on, and one of the same for going back."""
    if advance is None or retreat is None or not (advance.metric and advance.metric == retreat.metric):
        return False
    on, back = advance.bounds, retreat.bounds
    low, high = max(on.get("above", -math.inf), on.get("at_least", -math.inf)), _least_of(back, "below", "at_most")
    return advance.statistic == retreat.statistic and low < high and _least_of(on, "below", "at_most") > low


def _least_of(bounds: Mapping[str, float], *names: str) -> float:
    return min((bounds[name] for name in names if name in bounds), default=math.inf)


def describe(condition: Condition) -> str:
    """For people: `mean of won over 100 episodes >= 0.8`."""
    if condition.any or condition.all:
        word, parts = (" or ", condition.any) if condition.any else (" and ", condition.all)
        return word.join(f"({describe(part)})" if part.any or part.all else describe(part) for part in parts)
    what = f"{condition.statistic} {condition.metric}" if condition.is_of_episodes else condition.metric
    return " and ".join(f"{what} {SIGNS[name]} {bound:g}" for name, bound in condition.bounds.items())


def describe_rule(rule: Rule) -> str:
    """With its window, and how long the stage has to have lasted."""
    said = [describe(rule)] if rule.metric or rule.all or rule.any else []
    if any(leaf.is_of_episodes for _, leaf in rule.leaves()):
        said[0] += f" over {rule.window} episodes"
    said += [f"after {rule.min_episodes:,} episodes"] if rule.min_episodes else []
    said += [f"after {rule.min_steps:,} env steps"] if rule.min_steps else []
    return ", ".join(said)
