"""Rules for leaving a stage, as data about the episodes that began and ended at it.

{metric: won, at_least: 0.8, window: 100}
{all: [{metric: survival, above: 0.7}, {metric: return, statistic: progress, above: 0}],
 min_steps: 1000}
{any: [{metric: length, above: 40}, {metric: steps, at_least: 100000}]}
"""

import operator
from collections.abc import Iterator

from elsinore import validation
from elsinore.config_records import record

# of an episode; survival is its length as a share of the time limit
EPISODE = ("length", "return", "survival")
# since the stage began: env steps of the seed, and episodes that began and ended at it
STAGE = ("steps", "episodes")
# `entropy` is this, divided by the entropy of a uniform policy
ENTROPY = "policy/entropy"
BOUNDS = {
    "above": operator.gt,
    "at_least": operator.ge,
    "below": operator.lt,
    "at_most": operator.le,
}
STATISTICS = ("mean", "progress")


@record
class Condition:
    """A metric within bounds; or `all` or `any` of several conditions.

    The metric is one of an episode (length, return, survival, or a name of the env's `info` at an
    episode's end), whose `statistic` over the last `window` episodes is taken; of the stage (steps,
    episodes); or of the newest update (entropy, from 0 to 1, or any metric that has a slash in its
    name, such as policy/entropy). The mean of a window is known once it is full. Its `progress` is
    the mean of its newer half less that of its older half.
    """

    metric: str | None = None  # The metric: of an episode, of the stage, or of the newest update.
    statistic: str = "mean"  # mean | progress: the statistic of a metric of episodes.
    above: float | None = None  # A bound: holds above this.
    at_least: float | None = None  # A bound: holds at or above this.
    below: float | None = None  # A bound: holds below this.
    at_most: float | None = None  # A bound: holds at or below this.
    all: tuple["Condition", ...] = ()  # Conditions that must all hold, instead of a metric.
    any: tuple["Condition", ...] = ()  # Conditions of which one must hold, instead of a metric.

    def __post_init__(self) -> None:
        kinds = [name for name in ("metric", "all", "any") if getattr(self, name)]
        if len(kinds) > 1:
            raise ValueError(
                f"{kinds[0]} and {kinds[1]} stand side by side; put them into one list `all` or"
                " `any`."
            )
        validation.one_of(self, "statistic", *STATISTICS)
        if self.metric and not self.bounds:
            raise ValueError(
                f"metric={self.metric!r} has no bound; add one of {', '.join(BOUNDS)}."
            )
        if self.bounds and not self.metric:
            name, bound = next(iter(self.bounds.items()))
            raise ValueError(
                f"{name}={bound} bounds nothing; say which metric, such as metric: length."
            )
        if self.metric and self.statistic != "mean" and not self.is_of_episodes:
            raise ValueError(
                f"statistic={self.statistic!r} is of episodes, and metric={self.metric!r} is not."
            )
        self._check_kind(bool(kinds))

    def _check_kind(self, says_something: bool) -> None:
        if not says_something:
            raise ValueError(
                "a condition says nothing; give it a metric with a bound, or a list `all` or `any`."
            )

    @property
    def bounds(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in BOUNDS if getattr(self, name) is not None}

    @property
    def is_of_episodes(self) -> bool:
        """True for a metric of episodes, which is read over a window."""
        return self.metric is not None and not (self.metric in STAGE or self.of_update)

    @property
    def of_update(self) -> str | None:
        """The update metric that the condition reads, if any."""
        if self.metric == "entropy":
            return ENTROPY
        return self.metric if self.metric is not None and "/" in self.metric else None

    @property
    def recorded(self) -> str | None:
        """Name of what is recorded of each episode: `return`, `length`, or a key of `info`."""
        return (
            ("length" if self.metric == "survival" else self.metric)
            if self.is_of_episodes
            else None
        )

    def leaves(self, path: str = "") -> Iterator[tuple[str, "Condition"]]:
        """Every condition that has a metric, with its path: `path.all[1]`."""
        if self.metric:
            yield path, self
        for name in ("all", "any"):
            for i, part in enumerate(getattr(self, name)):
                yield from part.leaves(f"{path}.{name}[{i}]" if path else f"{name}[{i}]")


@record
class Rule(Condition):
    """A condition for leaving a stage, its `window`, and the least duration of the stage.

    Without a condition it holds once the stage has lasted that long.
    """

    window: int = 100  # Episodes, begun and ended at this stage, whose metric is averaged.
    min_episodes: int = 0  # Such episodes before the rule can hold.
    min_steps: int = 0  # Env steps of the seed at this stage before the rule can hold.

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 1:
            raise ValueError(f"window={self.window} must be at least 1 episode.")
        for name in ("window", "min_episodes", "min_steps"):
            if not 0 <= getattr(self, name) < 2**30:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0 and below 2^30.")
        if self.window < 2 and any(leaf.statistic == "progress" for _, leaf in self.leaves()):
            raise ValueError(
                f"window={self.window} has no two halves, which progress compares; make it at"
                " least 2."
            )

    def _check_kind(self, says_something: bool) -> None:
        if not (says_something or self.min_episodes or self.min_steps):
            raise ValueError(
                "a rule says nothing; give it a metric with a bound, a list `all` or `any`,"
                " min_episodes or min_steps."
            )

    def first(self) -> Condition | None:
        """The first condition with a metric, if any: the one that plots show for the rule."""
        return next((leaf for _, leaf in self.leaves()), None)
