"""Slow reference policies: dictionaries, lists and a look at everything."""

from collections import OrderedDict, deque
from functools import partial

NEVER = 1 << 30


def hits(policy, ids, weights, capacity):
    """(hits, weight of the hits) of a policy by name."""
    return SIMULATORS[policy](ids, weights, capacity)


def queue(ids, weights, capacity, renew):
    cache, count, weight = OrderedDict(), 0, 0
    for obj in ids:
        if obj in cache:
            count, weight = count + 1, weight + weights[obj]
            if renew:
                cache.move_to_end(obj)
        elif weights[obj] <= capacity:
            while sum(cache.values()) + weights[obj] > capacity:
                cache.popitem(last=False)
            cache[obj] = weights[obj]
    return count, weight


def ranked(ids, weights, capacity, rank, bypass=False):
    """Evict the smallest rank; an entry is [freq, inserted, last, inflation when last used, next
    use]."""
    cache, count, weight, inflation = {}, 0, 0, 0.0
    following = next_uses(ids)
    for i, obj in enumerate(ids):
        if obj in cache:
            count, weight = count + 1, weight + weights[obj]
            entry = cache[obj]
            cache[obj] = [entry[0] + 1, entry[1], i, inflation, following[i]]
            continue
        if weights[obj] > capacity or (bypass and following[i] == NEVER):
            continue
        left = dict(cache)
        while sum(weights[o] for o in left) + weights[obj] > capacity:
            victim = min(left, key=lambda o: rank(o, weights[o], *left[o]))
            if bypass and left[victim][4] <= following[i]:
                break
            priority = rank(victim, weights[victim], *left.pop(victim))[0]
        else:
            if len(left) < len(cache):
                inflation = priority
            cache = left
            cache[obj] = [1, i, i, inflation, following[i]]
    return count, weight


def next_uses(ids):
    following, seen = [NEVER] * len(ids), {}
    for i in reversed(range(len(ids))):
        following[i], seen[ids[i]] = seen.get(ids[i], NEVER), i
    return following


def sieve(ids, weights, capacity):
    queue, visited, hand, count, weight = [], set(), None, 0, 0  # the oldest object stands first
    for obj in ids:
        if obj in queue:
            count, weight = count + 1, weight + weights[obj]
            visited.add(obj)
        elif weights[obj] <= capacity:
            while sum(weights[o] for o in queue) + weights[obj] > capacity:
                at = queue.index(hand) if hand is not None else 0
                while queue[at] in visited:
                    visited.remove(queue[at])
                    at = (at + 1) % len(queue)
                queue.pop(at)
                hand = queue[at] if at < len(queue) else None
            queue.append(obj)
    return count, weight


def s3fifo(ids, weights, capacity):
    small, main, ghost, uses = deque(), deque(), deque(), {}
    share, evicted, count, weight = capacity // 10, False, 0, 0
    total = lambda queue: sum(weights[o] for o in queue)  # noqa: E731

    def evict():
        if total(main) > capacity - share or not small:
            while uses[main[0]] >= 1:
                uses[main[0]] = min(uses[main[0]], 3) - 1
                main.rotate(-1)
            main.popleft()
            return
        while small:
            obj = small.popleft()
            if uses[obj] < 2:
                while total(ghost) + weights[obj] > 9 * capacity // 10:
                    ghost.popleft()
                ghost.append(obj)
                return
            uses[obj] = 0
            main.append(obj)

    for obj in ids:
        if obj in small or obj in main:
            count, weight = count + 1, weight + weights[obj]
            uses[obj] += 1
            continue
        returned = obj in ghost
        if weights[obj] > capacity or (not returned and weights[obj] >= share):
            continue
        if returned:
            ghost.remove(obj)
        while total(small) + total(main) + weights[obj] > capacity:
            evict()
            evicted = True
        early = not evicted and total(small) >= share
        (main if returned or early else small).append(obj)
        uses[obj] = 0
    return count, weight


def random_eviction(ids, weights, capacity):
    """A victim gives its place in the list to the last; the random numbers are SplitMix64's."""
    held, draws, count, weight = [], 0, 0, 0
    for obj in ids:
        if obj in held:
            count, weight = count + 1, weight + weights[obj]
        elif weights[obj] <= capacity:
            while sum(weights[o] for o in held) + weights[obj] > capacity:
                at = splitmix64(draws) % len(held)
                held[at] = held[-1]
                held.pop()
                draws += 1
            held.append(obj)
    return count, weight


def splitmix64(i):
    x, most = (i + 1) * 0x9E3779B97F4A7C15, 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = ((x % most) ^ ((x % most) >> shift)) * factor
    return ((x % most) ^ ((x % most) >> 31)) >> 1


def by(rank, bypass=False):
    return partial(ranked, rank=rank, bypass=bypass)


SIMULATORS = {
    "random": random_eviction,
    "lru": lambda *a: queue(*a, renew=True),
    "fifo": lambda *a: queue(*a, renew=False),
    "lfu": by(lambda o, w, freq, inserted, last, inflation, due: (freq, last)),
    "size": by(lambda o, w, freq, inserted, last, inflation, due: (-w, inserted)),
    "gdsf": by(lambda o, w, freq, inserted, last, inflation, due: (inflation + freq / w, last)),
    "belady": by(lambda o, w, freq, inserted, last, inflation, due: (-due, o)),
    "belady_bypass": by(lambda o, w, freq, ins, last, infl, due: (-due, o), bypass=True),
    "sieve": sieve,
    "s3fifo": s3fifo,
}
