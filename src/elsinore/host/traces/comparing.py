"""Every policy at every capacity: what `elsinore cache replay` tells."""

from collections.abc import Mapping

from elsinore.config.build import ConfigError
from elsinore.envs.cache.trace import POLICIES, Counts, check_policy, replay
from elsinore.envs.cache.trace.recording import named_trace
from elsinore.host.traces.capacities import Capacity, capacities


def compared(
    path: str, capacity: str, policies: str = "all", run: str | None = None, runs_dir: str = "runs"
) -> dict[Capacity, dict[str, Counts]]:
    """Counts by capacity and policy; a run's are under "run <name>".

    Raises:
        ConfigError: naming what cannot be read, or the policy or capacity that is none.
    """
    names = list(POLICIES) if policies == "all" else [name.strip() for name in policies.split(",")]
    try:
        for name in names:
            check_policy(name)
        trace = named_trace(path)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    wanted = capacities(capacity, trace)
    results: dict[Capacity, dict[str, Counts]] = {each: {} for each in wanted}
    for each in wanted:
        for name in names:
            results[each][name] = replay(trace, name, each.amount, each.unit)
    if run is not None:
        from elsinore.host import api
        from elsinore.host.traces.learned import replay_learned

        trained = api.load(run, runs_dir=runs_dir)
        for each in wanted:
            results[each][f"run {trained.name}"] = replay_learned(trained, trace, each.amount, each.unit)
    return results


def closed(by_policy: Mapping[str, Counts], name: str) -> float | None:
    """The share a policy has of what foresight (Belady with bypass) adds to LRU; None where it adds nothing."""
    if not {"lru", "belady_bypass"} <= set(by_policy):
        return None
    gap = by_policy["belady_bypass"].hits - by_policy["lru"].hits
    return (by_policy[name].hits - by_policy["lru"].hits) / gap if gap > 0 else None
