"""Names and filters in the form that MLflow takes."""

import re
from collections.abc import Mapping
from typing import Any

from elsinore.validation import LONGEST_NAME


def valid_name(name: str) -> str:
    """The name of a metric or parameter with "_" in place of what MLflow refuses in one: most
    signs, and parts of a path that stand for another."""
    parts = re.sub(r"[^/\w.\- :]", "_", name).split("/")
    kept = (part.replace(".", "_") or "_" if part in ("", ".", "..") else part for part in parts)
    return "/".join(kept)[:LONGEST_NAME].rstrip("/")


def parameters(facts: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a run with these settings, as texts of the length that MLflow takes; of two
    that come to one name the first."""
    found: dict[str, str] = {}
    for name, value in facts.items():
        found.setdefault(valid_name(name), str(value)[:6000])
    return found


def model_name(algo: str, env: str) -> str:
    """The name of a registered model, in which MLflow allows no ':' and no '/'."""
    return f"elsinore-{algo}-{env}".replace(":", ".").replace("/", ".")


def with_tag(name: str, value: str) -> str:
    """The filter that finds the MLflow runs with this tag."""
    return f"tags.`{name}` = {in_quotes(value)}"


def in_quotes(value: str) -> str:
    """A text in a filter; it may have quotes of one kind, as a path may, since MLflow knows no way
    to write both."""
    mark = '"' if "'" in value else "'"
    return f"{mark}{value}{mark}"
