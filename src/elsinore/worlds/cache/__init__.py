"""Cache environments: `Cache-api` (prefetch and evict before a slow backend) and `Cache-trace`
(evict on a recorded trace)."""

from elsinore.envs.registry import EnvFamily

FAMILY = EnvFamily(
    names=("Cache-api", "Cache-trace"),
    make="elsinore.worlds.cache.make:make_cache",
    presets="elsinore.worlds.cache.presets:PRESETS",
    teachers={"belady": "elsinore.worlds.cache.trace.teacher:belady_teacher"},
    command="elsinore.worlds.cache.command",
)
