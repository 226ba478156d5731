"""The API cache written plainly: a dictionary of entries, and loops."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from elsinore.worlds.cache.api.tables import SLOTS, api_tables

SIZE, ENDPOINT, BASE = (
    x.tolist() for x in (api_tables().object_size, api_tables().object_endpoint, api_tables().base)
)

f32 = np.float32  # ages and remembered predictions decide things, so they are rounded as ours are


@dataclass
class Kept:
    born: np.float32
    touch: int
    prob: np.float32 = f32(0)
    unused: bool = False
    pinned: bool = False


class Replica:
    """One episode. `rows[t]` is request t; `counters` has the names of the golden file."""

    def __init__(self, rows, params):
        self.rows, self.params = rows, params
        self.kept, self.counts, self.counters = {}, Counter(), Counter()
        self.time, self.clock, self.backlog = 0, 0, 0.0
        self.arrive()

    def size(self, obj):
        return SIZE[obj]

    def base(self, obj):
        return BASE[ENDPOINT[obj]]

    def ttl(self, obj):
        return f32(api_tables().ttl[ENDPOINT[obj]] * f32(self.params.ttl_scale))

    @property
    def used(self):
        return sum(map(self.size, self.kept))

    def score(self, obj):
        return f32(self.kept[obj].prob + self.popularity(obj))

    def popularity(self, obj):
        return f32(min(self.counts[obj], 15)) / f32(30)

    def remove(self, obj):
        wasted = self.kept.pop(obj).unused
        self.counters["pfw"] += wasted
        self.costs += self.params.waste_penalty * wasted

    def least_recent(self, objs):
        return min(objs, key=lambda obj: self.kept[obj].touch)

    def fits(self, obj):
        return self.used + self.size(obj) <= self.params.capacity

    def put(self, obj, **more):
        while not self.fits(obj) or len(self.kept) == SLOTS:
            self.remove(
                self.least_recent(
                    [o for o in self.kept if not self.kept[o].pinned] or list(self.kept)
                )
            )
            self.counters["ev"] += 1
            self.costs += self.params.forced_eviction_cost
        self.clock += 1
        self.kept[obj] = Kept(self.now, self.clock, **more)

    def fetch(self, obj):
        self.counters["bytes"] += self.size(obj)
        self.costs += self.params.fetch_cost * self.size(obj) / 1024
        self.backlog += self.base(obj)

    def step(self, action):
        """Apply the action, serve the next request; return the reward."""
        self.costs, pending = 0.0, self.pending
        if action in (5, 6) and self.kept:
            pending = self.evict(action, pending)
        if pending is not None and self.size(pending) <= self.params.capacity:
            self.put(pending)
        if action == 1:
            self.keep()
        if action in (2, 3, 4):
            self.prefetch(*{2: (1, 0.7), 3: (5, 0.5), 4: (5, 0.3)}[action])
        for entry in self.kept.values():
            entry.prob *= f32(0.97)
        before, self.time = self.now, self.time + 1
        payoff = self.arrive(before)
        return float(np.clip(payoff - self.costs, -10, 10))

    def evict(self, action, pending):
        victim = self.least_recent(self.kept)
        if action == 6:
            lowest = min(map(self.score, self.kept))
            victim = self.least_recent([obj for obj in self.kept if self.score(obj) == lowest])
            if (
                pending is not None
                and not self.fits(pending)
                and self.popularity(pending) <= lowest
            ):
                return None
        self.remove(victim)
        self.counters["ev"] += 1
        self.costs += self.params.chosen_eviction_cost
        return pending

    def keep(self):
        obj = self.row("obj_id")
        if self.row("write") or obj not in self.kept:
            return
        entry = self.kept[obj]
        entry.pinned = True
        if self.hit and self.now - entry.born >= f32(0.5) * self.ttl(obj):
            entry.born = self.now
            self.fetch(obj)

    def prefetch(self, many, threshold):
        guesses = list(zip(self.row("pred_id"), self.row("pred_prob"), strict=True))[:many]
        for obj, prob in reversed(guesses):
            if (
                prob >= f32(threshold)
                and obj not in self.kept
                and self.size(obj) <= self.params.capacity
            ):
                self.counters["pf"] += 1
                self.fetch(obj)
                self.put(obj, unused=True, prob=f32(prob))

    def row(self, name):
        return getattr(self.rows, name)[self.time]

    @property
    def now(self):
        return f32(self.row("time"))

    def arrive(self, before=None):
        """Pass time, serve the request of this time; return its payoff."""
        obj, params = self.row("obj_id"), self.params
        self.counts[obj] += 1
        if before is not None:
            self.backlog = max(0.0, self.backlog - params.drain * (self.now - before))
            for old in [
                o for o, entry in self.kept.items() if self.now - entry.born >= self.ttl(o)
            ]:
                self.remove(old)
        waited = (
            params.latency_weight
            * self.row("latency")
            * 3
            * min(1.0, self.backlog / params.full_load)
        )
        self.hit, self.pending = False, None
        if self.row("write"):
            payoff = self.write(obj, waited)
        else:
            self.counters["read"] += 1
            self.counters["rb"] += self.size(obj)
            payoff = self.found(obj) if obj in self.kept else self.missed(obj, waited)
        if self.backlog > params.cascade:
            self.backlog /= 2
            payoff -= params.cascade_penalty
            self.counters["casc"] += 1
        for obj, prob in zip(self.row("pred_id"), self.row("pred_prob"), strict=True):
            if obj in self.kept:
                self.kept[obj].prob = max(self.kept[obj].prob, f32(prob))
        return payoff

    def write(self, obj, waited):
        self.backlog += self.base(obj)
        for invalid in self.row("invalidates"):
            if invalid in self.kept:
                self.remove(invalid)
        return -waited

    def found(self, obj):
        entry, self.hit = self.kept[obj], True
        self.counters["hit"] += 1
        self.counters["hb"] += self.size(obj)
        self.clock += 1
        entry.touch = self.clock
        self.counters["pfu"] += entry.unused
        entry.unused = False
        rate = api_tables().update_rate[ENDPOINT[obj]]
        stale = self.row("u_stale") < 1 - np.exp(-float(rate) * float(self.now - entry.born))
        self.counters["stale"] += bool(stale)
        params = self.params
        saved = params.hit_reward + params.latency_weight * (self.row("latency") - 5)
        return saved - params.stale_penalty * stale

    def missed(self, obj, waited):
        self.backlog += self.base(obj)
        self.pending = obj
        return -self.params.miss_penalty - waited
