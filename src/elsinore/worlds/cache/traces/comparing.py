"""Comparison of policies over capacities, for `elsinore cache replay`."""

from collections.abc import Mapping

from elsinore.errors import ConfigError
from elsinore.runs.trust.trust import Trust
from elsinore.worlds.cache.trace import POLICIES, Counts, check_policy, replay
from elsinore.worlds.cache.trace.recording import resolve_trace
from elsinore.worlds.cache.traces.capacities import Capacity, parse_capacities


def compare_policies(
    path: str,
    capacity: str,
    policies: str = "all",
    run: str | None = None,
    runs_dir: str = "runs",
    trust: Trust = False,
) -> dict[Capacity, dict[str, Counts]]:
    """Counts by capacity and policy; a run's are under "run <name>".

    Raises:
        ConfigError: for an unreadable trace, an unknown policy, an invalid capacity, or a run whose
            code is neither this user's nor trusted.
    """
    names = list(POLICIES) if policies == "all" else [name.strip() for name in policies.split(",")]
    try:
        for name in names:
            check_policy(name)
        trace = resolve_trace(path)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    wanted = parse_capacities(capacity, trace)
    learned: dict[Capacity, dict[str, Counts]] = {}
    if run is not None:  # first: it may be refused, and the other replays may take long
        from elsinore.runs import api
        from elsinore.worlds.cache.traces.learned import replay_learned

        trained = api.load(run, runs_dir=runs_dir, trust=trust)
        for each in wanted:
            counts = replay_learned(trained, trace, each.amount, each.unit)
            learned[each] = {f"run {trained.name}": counts}
    return {
        each: {name: replay(trace, name, each.amount, each.unit) for name in names}
        | learned.get(each, {})
        for each in wanted
    }


def gap_closed(by_policy: Mapping[str, Counts], name: str) -> float | None:
    """Share of the gap between LRU and Belady with bypass that a policy closes; None without a
    gap."""
    if not {"lru", "belady_bypass"} <= set(by_policy):
        return None
    gap = by_policy["belady_bypass"].hits - by_policy["lru"].hits
    return (by_policy[name].hits - by_policy["lru"].hits) / gap if gap > 0 else None
