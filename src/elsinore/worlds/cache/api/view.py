"""View of the API cache: slots, measures, and the request at hand."""

import numpy as np

from elsinore.envs.scene import Bar, Bars, Facts, Key, Pixels, Scene, rounded
from elsinore.worlds.cache.api.acting import ACTION_NAMES
from elsinore.worlds.cache.api.state import COUNTERS
from elsinore.worlds.cache.api.tables import SLOTS

ROW = 16  # slots in a row of the picture
SLOT_KINDS = (Key("kept", "calm"), Key("fetched ahead", "work"), Key("pinned", "rest"))

steps_per_second = 8.0


def scene(env, params, state) -> Scene:
    """Scene of one agent: the cache's slots, its measures, and the current request."""
    return Scene(
        env.name,
        (
            _slots(state),
            Bars("cache", _bars(params, state)),
            Facts("request", tuple(_facts(state))),
        ),
    )


def action_names(env, params) -> tuple[str, ...]:
    return ACTION_NAMES


def _slots(state) -> Pixels:
    contents = state.contents
    filled, unused, pinned = (
        np.asarray(x, bool) for x in (contents.id >= 0, contents.unused, contents.pinned)
    )
    kinds = np.where(filled, np.where(pinned, 2, np.where(unused, 1, 0)), -1).reshape(-1, ROW)
    return Pixels(f"{SLOTS} slots", tuple(map(tuple, kinds.tolist())), SLOT_KINDS)


def _bars(params, state) -> tuple[Bar, ...]:
    used, capacity = int(state.contents.used), int(params.capacity)
    backlog, cascade = float(state.backlog), float(params.cascade)
    hit, accuracy = float(state.hit_ema), float(state.accuracy)
    return (
        Bar("hit rate of late", hit, f"{100 * hit:.0f} %", "gain"),
        Bar("filled", min(used / capacity, 1.0), f"{used / 1024:.0f} of {capacity / 1024:.0f} KiB"),
        Bar(
            "backend's queue",
            min(backlog / cascade, 1.0),
            f"{backlog:.2f} of {cascade:g} s",
            "work",
            danger_above=float(params.full_load) / cascade,
        ),
        Bar("prefetches used", min(accuracy, 1.0), f"{100 * accuracy:.0f} %", "gain"),
    )


def _facts(state):
    request = state.request
    counters = dict(zip(COUNTERS, np.asarray(state.counters).tolist(), strict=True))
    kind = "write" if bool(request.write) else "hit" if bool(state.hit) else "miss"
    yield "this one", f"object {int(request.obj_id)}, {kind}"
    yield (
        "likeliest next",
        f"object {int(request.pred_id[0])}, {100 * float(request.pred_prob[0]):.0f} %",
    )
    yield "clock", f"{rounded(round(float(request.time), 1))} s since the first"
    yield "hits", f"{counters['hit']:,} of {counters['read']:,} reads"
    yield "stale answers", f"{counters['stale']:,}"
