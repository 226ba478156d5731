"""The runs below a folder, found by their config.yaml."""

import os
import re
from pathlib import Path

from elsinore.runs.files.natural import natural

DEEPEST = 3  # folders down: a run of a comparison or a sweep; 2 if that folder is the directory
UNBORN = re.compile(r"\..+\.[0-9a-f]+")  # a run's folder before it has its name


def list_runs(top: Path, links: bool = False) -> tuple[list[str], dict[str, str]]:
    """Names of the runs below a directory, and folders that are skipped, with the reason.

    A link to a folder is followed with `links` only.
    """
    found: list[str] = []
    skipped: dict[str, str] = {}
    above = [""]
    for depth in range(1, DEEPEST + 1):
        folders = [entry for name in above for entry in _folders(top, name, skipped)]
        above = []
        for name, entry in folders:
            reason = _reason_to_skip(entry, depth, links)
            if reason:
                skipped[ascii(name)[1:-1]] = reason
            elif reason is None and _has_config(entry):
                found.append(name)
            elif reason is None:
                above.append(f"{name}/")
    return sorted(found, key=natural), dict(sorted(skipped.items(), key=lambda x: natural(x[0])))


def _folders(top: Path, above: str, skipped: dict[str, str]) -> list[tuple[str, os.DirEntry]]:
    """Folders, and links to folders or to nothing, by name."""
    try:
        entries = list(os.scandir(top / above))
    except OSError as error:
        if above:
            skipped[above[:-1]] = f"it cannot be read: {os.strerror(error.errno or 0)}."
        return []
    return [
        (f"{above}{entry.name}", entry)
        for entry in entries
        if os.path.isdir(entry.path) or _leads_nowhere(entry)
    ]


def _leads_nowhere(entry: os.DirEntry) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def _has_config(entry: os.DirEntry) -> bool:
    return os.path.lexists(f"{entry.path}/config.yaml")


def _reason_to_skip(entry: os.DirEntry, depth: int, links: bool) -> str | None:
    """The reason why a folder is not looked into; empty if it does not look like a run."""
    if entry.name.startswith("."):
        looks_like_run = depth == 1 and not entry.is_symlink() and _has_config(entry)
        said = looks_like_run and not UNBORN.fullmatch(entry.name)
        return "its name begins with a dot; rename it." if said else ""
    if _leads_nowhere(entry):
        return "it is a link to what is not there." if depth == 1 else ""
    if entry.is_symlink() and not links:
        said = depth == 1 or _has_config(entry)
        return "it is a link, which is not followed; watch the folder it leads to." if said else ""
    return None if entry.name.isprintable() else "its name cannot be printed; rename it."
