"""The file of an agent: its settings and spaces as JSON, and its arrays, in one `.npz`.

The JSON carries its user's signature, so that code which another user's file names is not imported
(`runs/trust/trust.py`).
"""

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.errors import ConfigError, why_unreadable
from elsinore.runs.files.whole_file import whole_file
from elsinore.runs.trust.signature import signature_of
from elsinore.runs.trust.trust import confirmed_settings

FORMAT = 3
HEADER = {"algo": dict, "spaces": list, "seed": int, "env_steps": int, "steps": int}


def write_agent(path: Path, about: dict[str, Any], leaves: Iterable[Any]) -> None:
    """Write a header, with the entries of `HEADER`, and arrays; the file is whole or not there.

    Raises:
        ConfigError: if it cannot be written.
    """
    text = json.dumps({"format": FORMAT} | about)
    arrays = {f"leaf_{i}": np.asarray(x) for i, x in enumerate(leaves)}
    signature = np.array(signature_of(text))
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, about=np.array(text), signature=signature, **arrays)


def read_agent(path: Path, trust: bool) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The header and the arrays, with the header's code as `confirmed_settings` leaves it.

    Raises:
        ConfigError: for a file that `write_agent` did not write, one of another format, or one of
            another user that names code.
    """
    try:
        _refuse_what_grows(path)
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            text = str(file["about"])
            about = _header(text)
            if about.get("format") != FORMAT:
                raise ConfigError(
                    f"{path} has format {about.get('format')}, and this elsinore reads {FORMAT}."
                )
            signature = str(file["signature"])
            arrays = [file[f"leaf_{i}"] for i in range(len(file.files) - 2)]
    except ConfigError:
        raise
    except Exception as error:  # zip and its codecs raise many types on foreign bytes
        raise not_saved(path, error) from error
    return about | confirmed_settings({"algo": about["algo"]}, text, signature, path, trust), arrays


def not_saved(path: str | Path, error: Exception) -> ConfigError:
    """The refusal of a file that `write_agent` did not write."""
    return ConfigError(f"{path} is no agent that Agent.save wrote: {why_unreadable(error)}.")


def _refuse_what_grows(path: Path) -> None:
    """Refuse a file that unpacks to more than it has: agents are written without compression."""
    with zipfile.ZipFile(path) as file:
        size = sum(part.file_size for part in file.infolist())
    if size > path.stat().st_size:
        raise ValueError(f"it unpacks to {size:,} bytes, more than it has")


def _header(text: str) -> dict[str, Any]:
    about = json.loads(text)
    if not isinstance(about, dict):
        raise ValueError("its header is no mapping")
    for name, kind in HEADER.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"its header has no {name}")
    if len(about["spaces"]) != 2 or not isinstance(about["algo"].get("num_envs"), int):
        raise ValueError("its header is not that of an agent")
    return about
