"""Built-in eviction policies by name.

| policy | cost of a request | memory |
|---|---|---|
| `lru`, `fifo`, `sieve`, `random` | constant | 2 or 3 integers an object |
| `s3fifo` | constant | 4 integers an object |
| `lfu`, `size`, `gdsf`, `belady` | log2(objects) | 5 integers an object |
| `belady_bypass` | log2(objects) + log2(requests) | 5 an object and 1 a request |

SIEVE's and S3-FIFO's scans are amortised: all their steps together are no more than the requests.
"""

from elsinore.validation import did_you_mean
from elsinore.worlds.cache.trace import queues, ranked
from elsinore.worlds.cache.trace.random_eviction import random_eviction
from elsinore.worlds.cache.trace.s3fifo import s3fifo

POLICIES = {
    "lru": queues.lru,
    "fifo": queues.fifo,
    "lfu": ranked.lfu,
    "size": ranked.size,
    "gdsf": ranked.gdsf,
    "sieve": queues.sieve,
    "s3fifo": s3fifo,
    "random": random_eviction,
    "belady": ranked.belady,
    "belady_bypass": ranked.belady_bypass,
}
# they need the future: bounds and teachers, not policies to deploy
ORACLES = ("belady", "belady_bypass")


def check_policy(name: str) -> None:
    """Refuse an unknown policy.

    Raises:
        ValueError: with the closest known name.
    """
    if name not in POLICIES:
        hint = did_you_mean(name, POLICIES)
        raise ValueError(f"policy={name!r} is unknown{hint} Choose from: {', '.join(POLICIES)}.")
