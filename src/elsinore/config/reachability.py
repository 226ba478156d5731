"""Conditions of a curriculum rule that can never hold, found before training."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from elsinore.errors import counted
from elsinore.training.curriculum.conditions import BOUNDS, Condition, Rule

SIGNS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}


class EpisodeBounds(NamedTuple):
    """Limits of the episodes of a stage."""

    max_steps: float  # the time limit; inf without one
    flags: frozenset[str]  # names of the boolean entries of `info`


def unreachable(condition: Condition, episode: EpisodeBounds, path: str) -> list[str]:
    """The reasons why a condition can never hold, each with its place; empty if it can."""
    if not (parts := condition.any or condition.all):
        return list(_out_of_range(condition, episode, path)) if condition.metric else []
    word = "any" if condition.any else "all"
    found = [unreachable(part, episode, f"{path}.{word}[{i}]") for i, part in enumerate(parts)]
    if condition.any:
        return found[0] if all(found) else []
    return [reason for reasons in found for reason in reasons]


def _out_of_range(leaf: Condition, episode: EpisodeBounds, path: str) -> Iterator[str]:
    low, high, reason = _range(leaf, episode)
    bounds = leaf.bounds
    for name, bound in bounds.items():
        best = high if name in ("above", "at_least") else low
        if not BOUNDS[name](best, bound) or best == bound in (math.inf, -math.inf):
            yield f"{path}.{name}={bound:g} can never hold: {reason}."
    lower, upper = _lower(bounds), _upper(bounds)
    only = lower == upper and all(BOUNDS[name](lower, bound) for name, bound in bounds.items())
    if lower >= upper and not only:
        yield f"{path}: no {leaf.metric} is {describe_condition(leaf)}."


def _lower(bounds: Mapping[str, float]) -> float:
    return max(bounds.get("above", -math.inf), bounds.get("at_least", -math.inf))


def _upper(bounds: Mapping[str, float]) -> float:
    return min(bounds.get("below", math.inf), bounds.get("at_most", math.inf))


def _range(leaf: Condition, episode: EpisodeBounds) -> tuple[float, float, str]:
    """The least and the greatest value of a condition's statistic, and the reason."""
    low, high, reason = -math.inf, math.inf, f"{leaf.metric} is a finite number"
    if leaf.metric == "length":
        low, high = 1.0, episode.max_steps
        reason = f"an episode of this stage has 1 to {high:g} steps (max_steps_in_episode)"
    elif leaf.metric in ("survival", "entropy") or leaf.metric in episode.flags:
        low, high = 0.0, 1.0
        reason = {
            "survival": "survival is the length of an episode as a share of its time limit, from 0"
            " to 1",
            "entropy": "entropy is a share of the entropy of a uniform policy, from 0 to 1",
        }.get(str(leaf.metric), f"{leaf.metric} is true or false, so its mean is between 0 and 1")
    elif leaf.metric in ("steps", "episodes"):
        low, reason = 0.0, f"{leaf.metric} are counted from 0"
    if leaf.statistic == "progress":
        span = high - low
        if not math.isfinite(span):
            return -math.inf, math.inf, f"{leaf.metric} is a finite number"
        return -span, span, f"{reason}, so its progress is between {-span:g} and {span:g}"
    return low, high, reason


def least_steps(rule: Rule, episode: EpisodeBounds) -> float:
    """The least number of env steps of a seed before the rule can hold."""
    return max(rule.min_steps, rule.min_episodes, _least(rule, rule.window, episode))


def _least(condition: Condition, window: int, episode: EpisodeBounds) -> float:
    if condition.any:
        return min(_least(part, window, episode) for part in condition.any)
    if condition.all:
        return max(_least(part, window, episode) for part in condition.all)
    bound = max(condition.above or 0.0, condition.at_least or 0.0)
    if condition.metric in ("steps", "episodes"):
        return bound
    if not condition.is_of_episodes:
        return 0.0
    steps = {"length": 1.0, "survival": episode.max_steps}.get(condition.metric or "", 0.0)
    return window * max(1.0, bound * steps if condition.statistic == "mean" else 0.0)


def overlapping(advance: Rule | None, retreat: Rule | None) -> bool:
    """True if one value of the same metric and statistic satisfies both rules."""
    return (
        advance is not None
        and retreat is not None
        and bool(advance.metric)
        and (advance.metric, advance.statistic) == (retreat.metric, retreat.statistic)
        and _lower(advance.bounds) < min(_upper(advance.bounds), _upper(retreat.bounds))
    )


def describe_condition(condition: Condition) -> str:
    """A condition as text: `mean won >= 0.8`."""
    if parts := condition.any or condition.all:
        return (" or " if condition.any else " and ").join(
            f"({describe_condition(part)})" if part.any or part.all else describe_condition(part)
            for part in parts
        )
    name = (
        f"{condition.statistic} {condition.metric}"
        if condition.is_of_episodes
        else condition.metric
    )
    return " and ".join(
        f"{name} {SIGNS[bound]} {value:g}" for bound, value in condition.bounds.items()
    )


def describe_rule(rule: Rule) -> str:
    """A rule as text: its condition, its window, and the least duration of the stage."""
    parts = [describe_condition(rule)] if rule.metric or rule.all or rule.any else []
    if any(leaf.is_of_episodes for _, leaf in rule.leaves()):
        parts[0] += f" over {counted(rule.window, 'episode')}"
    parts += [f"after {counted(rule.min_episodes, 'episode')}"] if rule.min_episodes else []
    parts += [f"after {counted(rule.min_steps, 'env step')}"] if rule.min_steps else []
    return ", ".join(parts)
