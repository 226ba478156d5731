"""Replays: recorded episodes as small files.

    replays/<update>-seed<seed>.npz      compressed arrays, and `about`: JSON

A file has the environment's state at each step instead of the observations, so that every renderer
can draw it. Secrets in the environment's arguments are masked: a replay in the folder of its run
has them from the run's config.
"""

import contextlib
import json
import math
import os
import re
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from elsinore.config.agents import MOST_AGENTS
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, why_unreadable
from elsinore.imports import UntrustedName
from elsinore.runs.files.durable import new_file
from elsinore.runs.files.natural import natural
from elsinore.runs.files.plain_json import plain
from elsinore.runs.replays.recording import AGENT_KEYS, FORMAT, EpisodeRecording
from elsinore.runs.trust.named_code import marked
from elsinore.runs.trust.redaction import has_mask, redacted
from elsinore.runs.trust.trust import Trust, confirmed_header

MAX_REPLAY_BYTES = 256 * 2**20  # of the arrays of a replay, unpacked
MAX_EMPTY_ENTRIES = 2**20  # of its arrays that take no bytes, such as [length, 0]
ENV_SETTINGS = ("env", "env_kwargs", "wrappers")
UNFINISHED = ".unfinished-"  # the beginning of a replay's name until it is complete
NAME = re.compile(r"[0-9]+-seed[0-9]+\.npz")  # as `path_for` gives
REQUIRED_KEYS = ("format", "env", "env_kwargs", "length", "return")


def path_for(folder: Path, replay: EpisodeRecording) -> Path:
    return folder / f"{replay.about.get('update', 0):010d}-seed{replay.about.get('seed', 0)}.npz"


def write(path: Path, replay: EpisodeRecording) -> Path:
    """Write a replay under another name, then rename it when it is complete. Its folder is made,
    not that of a run, which is gone then."""
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f"{UNFINISHED}{path.name}-{os.getpid()}")
    try:
        with new_file(unfinished).open("wb") as file:
            header = json.dumps(redacted(replay.about) | {"arrays": sorted(replay.arrays)})
            np.savez_compressed(file, about=np.array(header), **replay.arrays)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def clean(folder: Path) -> None:
    """Delete the unfinished replays of killed processes."""
    for path in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):  # a folder, which is none of ours
            path.unlink()


def read(path: Path, trust: Trust = False) -> EpisodeRecording:
    """Read a replay. An environment that is code can be made from it if the replay is in the folder
    of a run of this user's with that environment, or with `trust`.

    Raises:
        ConfigError: if the file is no replay, is broken or too large, or was written by a newer
            elsinore.
    """
    with _opened(path) as file:
        about = confirmed_header(_about_in(file, path), path, trust)
        arrays = {name: file[name] for name in file.files if name != "about"}
    _refuse_entries_without_bytes(arrays, path)
    # a damaged table of contents can end early: zip compares neither its length nor a checksum
    if (written := about.pop("arrays", None)) is not None and written != sorted(arrays):
        lost = sorted(set(written) ^ set(arrays))[0]
        raise ConfigError(f"replay {path} is broken: {lost} is not as its header says; delete it.")
    lengths = {
        name: len(arrays[name]) if arrays[name].ndim else None
        for name in ("action", "reward", "terminated", "truncated")
        if name in arrays
    }
    if len(lengths) < 4 or any(length != about["length"] for length in lengths.values()):
        raise ConfigError(
            f"replay {path} is broken: its header says {about['length']} steps and it holds"
            f" {lengths}; delete it."
        )
    if about.get("agents", 1) != (1 if arrays["reward"].ndim == 1 else arrays["reward"].shape[1]):
        raise ConfigError(
            f"replay {path} is broken: it does not hold the {about.get('agents', 1)} agents of its"
            " header; delete it."
        )
    return EpisodeRecording(about, arrays)


def as_json(path: Path) -> dict[str, Any]:
    """A replay as JSON data: `about`, and `arrays` as lists by name; numbers that JSON does not
    have (NaN, infinities) are null.

    Raises:
        ConfigError: as `read`.
    """
    replay = read(path)
    arrays = {
        name: np.where(np.isfinite(x), x, None) if x.dtype.kind == "f" else x
        for name, x in replay.arrays.items()
    }
    about = {k: str(v) if isinstance(v, UntrustedName) else v for k, v in replay.about.items()}
    about = plain(redacted(about))
    return {"about": about, "arrays": {name: x.tolist() for name, x in arrays.items()}}


def about(path: Path) -> dict[str, Any]:
    """The header of a replay, without its arrays.

    Raises:
        ConfigError: as `read`.
    """
    with _opened(path) as file:
        about = marked(_about_in(file, path))
    about.pop("arrays", None)
    return about


def list_replays(folder: Path) -> list[Path]:
    """The replays that a run recorded, oldest first; files of other names are its user's."""
    found = (path for path in folder.glob("*.npz") if NAME.fullmatch(path.name))
    return sorted(found, key=lambda path: natural(path.name))


def thin(folder: Path, keep: int) -> None:
    """Delete replays until `keep` are left, spread evenly over the training; the first and the
    newest stay."""
    while len(paths := list_replays(folder)) > max(keep, 1):
        updates = [int(path.name.split("-")[0]) for path in paths]
        gaps = [updates[i + 1] - updates[i - 1] for i in range(1, len(paths) - 1)]
        paths[1 + int(np.argmin(gaps)) if gaps else 0].unlink(missing_ok=True)


def _about_in(file: Any, path: Path) -> dict[str, Any]:
    about = json.loads(str(file["about"]))
    if not isinstance(about, dict):
        raise ValueError("its header is no mapping")
    version = about.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ConfigError(
            f"replay {path} has format {version}, and this elsinore reads up to {FORMAT};"
            " use the elsinore that made it, or a newer one."
        )
    required = (*REQUIRED_KEYS, *(AGENT_KEYS if "agents" in about else ()))
    missing = [name for name in required if name not in about]
    if missing:
        raise ValueError(f"its header has no {missing[0]!r}")
    agents = about.get("agents", 1)
    if type(agents) is not int or not 1 <= agents <= MOST_AGENTS:
        raise ValueError(f"agents={agents!r} of its header must be from 1 to {MOST_AGENTS}")
    written = about.get("arrays", [])
    if not (isinstance(written, list) and all(isinstance(name, str) for name in written)):
        raise ValueError("arrays of its header must be a list of names")
    return about | _unmasked(about, path)


def _unmasked(about: dict[str, Any], path: Path) -> dict[str, Any]:
    """The environment's settings with their secrets, where a header masks some and the config of
    the run that holds the replay has the same settings otherwise; else none."""
    masked = {name: about[name] for name in ENV_SETTINGS if name in about}
    config = path.absolute().parent.parent / "config.yaml"
    if not has_mask(masked) or not config.is_file():
        return {}
    with contextlib.suppress(ConfigError):
        whole = read_yaml(config)
        found = {name: whole.get(name) or type(value)() for name, value in masked.items()}
        return found if redacted(found) == masked else {}
    return {}


@contextlib.contextmanager
def _opened(path: Path):
    """Open a replay; its arrays are read lazily.

    Raises:
        ConfigError: for any error while it is open.
    """
    try:
        with path.open("rb") as raw:
            if not zipfile.is_zipfile(raw):
                raise ValueError("it is no replay, or it is incomplete")
            _refuse_too_large(raw, path)
            with np.load(raw, allow_pickle=False) as file:
                yield file
    except ConfigError:
        raise
    except Exception as error:  # zip and its codecs raise many types on foreign bytes
        raise ConfigError(f"replay {path} cannot be read: {why_unreadable(error)}.") from error


def _refuse_too_large(raw: IO[bytes], path: Path) -> None:
    with zipfile.ZipFile(raw) as file:
        size = sum(part.file_size for part in file.infolist())
    if size > MAX_REPLAY_BYTES:
        raise ConfigError(
            f"replay {path} has {size:,} bytes unpacked, and at most {MAX_REPLAY_BYTES:,} are read;"
            " record fewer steps (replays.max_steps)."
        )
    raw.seek(0)


def _refuse_entries_without_bytes(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Refuse a small file that says it has many steps: as lists they would take bytes."""
    shapes = [x.shape for x in arrays.values() if not x.nbytes]
    entries = sum(math.prod(max(size, 1) for size in shape) for shape in shapes)
    if entries > MAX_EMPTY_ENTRIES:
        raise ConfigError(
            f"replay {path} has {entries:,} entries that take no bytes, and at most"
            f" {MAX_EMPTY_ENTRIES:,} are read; no recording has so many, delete it."
        )
