"""Free memory: the least of what the device, the system and this process's limits allow."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import jax

UNLIMITED = 2**60  # cgroup v1 has no word for it, only a number of about 2^63


def available_bytes() -> int:
    """Free bytes of the device: as an accelerator reports them, `UNLIMITED` where it does not; of a
    CPU the memory that this process can still get."""
    device = jax.local_devices()[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return host_bytes() if device.platform == "cpu" else UNLIMITED


def readable_size(size: float) -> str:
    """A number of bytes in the largest unit of which there is at least one."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def host_bytes(root: Path = Path("/")) -> int:
    """Memory that this process can still get: of the system, within its cgroups and its
    RLIMIT_AS. `root` holds `proc` and the mounted cgroups."""
    return max(0, min(_of_the_system(root), *_of_cgroups(root), _of_the_address_space(root)))


def _of_the_system(root: Path) -> int:
    free = _fields(root / "proc/meminfo").get("MemAvailable:")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if free is None else free * 1024


def _of_the_address_space(root: Path) -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return UNLIMITED
    pages = _text(root / "proc/self/statm").split()[:1]
    return limit - int(pages[0] if pages else 0) * os.sysconf("SC_PAGE_SIZE")


def _of_cgroups(root: Path) -> Iterator[int]:
    """The bytes left in each memory cgroup of this process, and in each above it. Files that it
    could drop from the cache count as free."""
    yield UNLIMITED
    for folder, v2 in _cgroups(root):
        names = ("memory.max", "memory.current") if v2 else ("limit_in_bytes", "usage_in_bytes")
        limit, used = (_number(folder / (n if v2 else f"memory.{n}")) for n in names)
        if limit is not None and limit < UNLIMITED:
            cached = _fields(folder / "memory.stat").get(
                "inactive_file" if v2 else "total_inactive_file", 0
            )
            yield limit - max(0, (used or 0) - cached)


def _cgroups(root: Path) -> Iterator[tuple[Path, bool]]:
    """(folder, whether it is of version 2) of this process's memory cgroups and those above."""
    own = [line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines()]
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(" ", 2), "", ""][:3]
        v2 = kind == "cgroup2"
        if not v2 and not (kind == "cgroup" and "memory" in options.split(",")):
            continue
        mounted_from, mount = before.split()[3:5]
        for _, controllers, path in own:
            if (controllers == "") if v2 else ("memory" in controllers.split(",")):
                inside = path.removeprefix(mounted_from.rstrip("/")).strip("/")
                folder = root / mount.lstrip("/")
                yield folder, v2
                for part in Path(inside).parts:
                    folder /= part
                    yield folder, v2


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number on each line."""
    parts = (line.split() for line in _text(path).splitlines())
    return {p[0]: int(p[1]) for p in parts if len(p) > 1 and p[1].isdigit()}
