"""The built-in policies by name, and what each costs per request.

| policy | cost of a request | remembers |
|---|---|---|
| `lru`, `fifo`, `sieve`, `random` | constant | 2 or 3 integers an object |
| `s3fifo` | constant | 4 integers an object |
| `lfu`, `size`, `gdsf`, `belady` | log2(objects) | 5 integers an object |
| `belady_bypass` | log2(objects) + log2(requests) | 5 an object and 1 a request |

SIEVE's and S3-FIFO's scans are amortised: all their steps together are no more than the requests.
"""

import difflib

from elsinore.envs.cache.trace import lottery, queues, ranked
from elsinore.envs.cache.trace.s3fifo import s3fifo

POLICIES = {
    "lru": queues.lru,
    "fifo": queues.fifo,
    "lfu": ranked.lfu,
    "size": ranked.size,
    "gdsf": ranked.gdsf,
    "sieve": queues.sieve,
    "s3fifo": s3fifo,
    "random": lottery.random,
    "belady": ranked.belady,
    "belady_bypass": ranked.belady_bypass,
}
ORACLES = ("belady", "belady_bypass")  # they need the future: bounds and teachers, not policies to deploy


def check_policy(name: str) -> None:
    """Refuse a policy that is none.

    Raises:
        ValueError: with the closest known name.
    """
    if name in POLICIES:
        return
    close = difflib.get_close_matches(name, POLICIES, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? There" if close else "there"
    raise ValueError(f"policy={name!r} is unknown; {hint} are: {', '.join(POLICIES)}.")
