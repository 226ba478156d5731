"""Trust in what a run's files name: code as `"module:name"`, and where its sinks send data.

A run of this user's is known by a signature beside its config: HMAC-SHA256 of the file's text under
a random key of the user's own. It survives a copied or renamed folder, and no change of the config.
Names in the files of any other run become `UntrustedName`s, which nothing imports.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from re import fullmatch
from typing import Any

from elsinore.algos.registry import ALGORITHMS
from elsinore.config.imitation import teachers
from elsinore.config.load import read_yaml
from elsinore.config.presets import PRESETS
from elsinore.config.sinks import SinksConfig
from elsinore.errors import ConfigError
from elsinore.runs.durable import fsync
from elsinore.validation import UntrustedName, current_name

# True, False, or a function that asks the user a question
Trust = bool | Callable[[str], bool]

KEY_BYTES = 32
CODE_SETTINGS = (
    "env",
    "algo",
    "algo.name",
    "algo.network.custom",
    "algo.network.encoder",
    "agents",
    "imitation",
    "imitation.teacher",
    "sweep.space",
    "wrappers",
)
# by which a sink writes outside a run's folder: with this user's rights and credentials
DESTINATIONS = (
    "sinks.remote.url",
    "sinks.mlflow.tracking_uri",
    "sinks.mlflow.model_name",
    "sinks.wandb.entity",
    "sinks.wandb.project",
)
TEXT = b"elsinore\0text\n"  # what a config's signature is of never begins so
BUILT_IN_NETWORK = r"elsinore\.worlds\.\w+\.nets(\.\w+)*:\w+"


def sign(config: Path, following: Path | None = None) -> None:
    """Sign a config that this user made; without a key that can be used it stays unsigned.

    Args:
        following: the file that is about to be renamed to `config`; both are signed, so that a kill
            on either side of the rename leaves a config of this user's.
    """
    if (key := _key(make=True)) is None:
        return
    signature, files = _signature_of(config), [config, following or config]
    with suppress(OSError):
        macs = dict.fromkeys(_mac(key, config.name, path) for path in files if path.exists())
        content = b"\n".join(macs)
        if not signature.is_file() or signature.read_bytes() != content:
            _write(signature, content, os.replace)


def is_own(config: Path) -> bool:
    """True if this user signed the config, and it has not changed since."""
    key, signature = _key(), _signature_of(config)
    try:
        if key is None or not signature.is_file():
            return False
        own = _mac(key, config.name, config)
        return any(hmac.compare_digest(own, each) for each in signature.read_bytes().split())
    except OSError:
        return False


def confirmed(
    data: dict[str, Any],
    config: Path,
    trust: Trust,
    given: Collection[str] = (),
    sends: bool = False,
) -> dict[str, Any]:
    """The `data` of a config, for use: as it is if the config is this user's or trusted, else with
    its code marked as untrusted.

    Args:
        given: settings whose code is not imported, since the caller has the objects.
        sends: its sinks will be written, too.

    Raises:
        ConfigError: if it names code, or where `sends` a place to send data to, and is neither this
            user's nor trusted.
    """
    own = is_own(config)
    if sends and not own and trust is not True:
        refuse_to_send(data, config, trust)
    return _confirmed(data, config, trust, own, given)


def refuse_to_send(
    data: Mapping[str, Any], config: Path, trust: Trust, chosen: Mapping[str, Any] | None = None
) -> None:
    """Refuse a stranger's config whose sinks would send data where it says, unless that is agreed.

    Args:
        chosen: settings that this user's command gives instead of the config's, by dotted name.

    Raises:
        ConfigError: naming the settings, and their defaults.
    """
    chosen = chosen or {}
    named = {
        name: value
        for name, value in destinations_in(data).items()
        if name not in chosen and not _is_switched_off(name, chosen)
    }
    said = f"{config} sends data by {_listed(named)}, and carries no signature of yours"
    if named and not (trust if isinstance(trust, bool) else trust(f"{said}. Send it?")):
        leave = " ".join(f"--set {name}={_default_of(name) or 'null'}" for name in named)
        raise ConfigError(
            f"{said}; allow it with --trust (in Python, trust=True), or begin a run of your own"
            f" from it (--from) with {leave}."
        )


def _is_switched_off(destination: str, chosen: Mapping[str, Any]) -> bool:
    sink = destination.rpartition(".")[0]
    return chosen.get(f"{sink}.enabled", chosen.get(sink)) is False


def _default_of(destination: str) -> Any:
    return attrgetter(destination.removeprefix("sinks."))(SinksConfig())


def destinations_in(data: Mapping[str, Any]) -> dict[str, str]:
    """The settings by which the sinks of a config write outside the run's folder, where they are
    given and differ from the defaults."""
    found = {}
    for setting in DESTINATIONS:
        _, sink, name = setting.split(".")
        default = getattr(SinksConfig(), sink)
        given: Any = data.get("sinks")
        given = given.get(sink) if isinstance(given, Mapping) else None
        given = given if isinstance(given, Mapping) else {}
        enabled = given.get("enabled", getattr(default, "enabled", True))
        value = given.get(name, _default_of(setting))
        if enabled and value != _default_of(setting):
            found[setting] = str(value)
    return found


def _confirmed(
    data: dict[str, Any], config: Path, trust: Trust, own: bool, given: Collection[str] = ()
) -> dict[str, Any]:
    if trust is True or own:
        return data
    named = {name: code for name, code in code_in(data).items() if name not in given}
    if named and not _agreed(config, named, trust):
        modules = sorted({code.partition(":")[0] for code in named.values()})
        raise ConfigError(
            f"{config} names code, {_listed(named)}, and carries no signature of yours; read the"
            f" module {', '.join(map(repr, modules))}, then allow it with --trust (in Python,"
            " trust=True)."
        )
    return data if named else marked(data)


def signature_of(text: str) -> str:
    """This user's signature of a text that a file carries beside it; empty without a key."""
    key = _key(make=True)
    return "" if key is None else _mac_of(key, TEXT + text.encode())


def confirmed_settings(
    data: dict[str, Any], text: str, signature: str, file: Path, trust: Trust
) -> dict[str, Any]:
    """The settings that a file holds in `text`, for use, if the text has this user's signature or
    names no code; as `confirmed` does for a config.

    Raises:
        ConfigError: if they name code, and are neither this user's nor trusted.
    """
    key = _key()
    own = key is not None and hmac.compare_digest(
        _mac_of(key, TEXT + text.encode()).encode(), signature.encode()
    )
    return _confirmed(data, file, trust, own)


def confirmed_header(about: dict[str, Any], replay: Path, trust: Trust) -> dict[str, Any]:
    """The header of a replay, the code of its environment marked as untrusted unless it is trusted
    or that of the run whose folder holds the replay, which is this user's."""
    code = code_in({name: about.get(name) for name in ("env", "wrappers")})
    if trust is True or (code and _is_of_own_run(replay, about)):
        return about
    if code and _agreed(replay, code, trust):
        return about
    return marked(about)


def code_in(data: Mapping[str, Any]) -> dict[str, str]:
    """The code from outside elsinore and its plug-ins that settings name, by setting."""
    found = {}
    for setting in CODE_SETTINGS:
        value: Any = data
        for part in setting.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if setting in ("sweep.space", "wrappers", "agents"):
            texts = enumerate(filter(_is_code, _texts(value)))
            found |= {f"{setting}[{i}]": text for i, text in texts}
        elif _is_code(value):
            found[setting] = value
    return found


def marked(data: Any) -> Any:
    """Plain data with every text that could be imported as an `UntrustedName`."""
    return _marked(data, {})


def _marked(data: Any, done: dict[int, Any]) -> Any:
    if id(data) in done:  # YAML may hold one list at many places, or within itself
        return done[id(data)]
    if isinstance(data, dict):
        done[id(data)] = copy = {}
        copy.update((key, _marked(value, done)) for key, value in data.items())
        return copy
    if isinstance(data, list):
        done[id(data)] = copy = []
        copy.extend(_marked(value, done) for value in data)
        return copy
    return UntrustedName(data) if _is_code(data) else data


def _is_code(text: Any) -> bool:
    return isinstance(text, str) and ":" in text and not _is_known(current_name(text))


def _is_known(name: str) -> bool:
    """True for code of elsinore or of a plug-in that settings name by themselves."""
    return name in _known_names() or fullmatch(BUILT_IN_NETWORK, name) is not None


@cache
def _known_names() -> frozenset[str]:
    return frozenset({*ALGORITHMS.values(), *teachers().values(), *_texts(dict(PRESETS))})


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)


def _listed(named: Mapping[str, str]) -> str:
    return ", ".join(f"{setting}={code!r}" for setting, code in named.items())


def _agreed(file: Path, named: Mapping[str, str], trust: Trust) -> bool:
    if isinstance(trust, bool):
        return trust
    return trust(
        f"{file} names code, {_listed(named)}, and carries no signature of yours. Import it?"
    )


def _is_of_own_run(replay: Path, about: dict[str, Any]) -> bool:
    config = replay.absolute().parent.parent / "config.yaml"
    if not is_own(config):
        return False
    data = read_yaml(config)
    same = all(data.get(name) == about[name] for name in ("env", "env_kwargs"))
    return same and (data.get("wrappers") or []) == about.get("wrappers", [])


def _signature_of(config: Path) -> Path:
    return config.with_suffix(".signature")


def _mac(key: bytes, name: str, file: Path) -> bytes:
    """The signature of a config of that name, whose text is in the file."""
    return _mac_of(key, b"elsinore " + name.encode() + b"\n" + file.read_bytes()).encode()


def _mac_of(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _key_path() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "elsinore" / "key"


def _key(make: bool = False) -> bytes | None:
    """This user's key; None where there is none, or one that others can read."""
    try:
        path = _key_path()
        if make and not (path.exists() and path.stat().st_size >= KEY_BYTES):
            _make_key(path)
        with path.open("rb") as file:
            about, key = os.fstat(file.fileno()), file.read()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    private = about.st_uid == os.getuid() and not about.st_mode & 0o077
    return key if private and len(key) == KEY_BYTES else None


def _make_key(path: Path) -> None:
    """Make a key, in place of one that is cut short; of several processes the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size < KEY_BYTES:
            path.unlink()
    with suppress(FileExistsError):
        _write(path, secrets.token_bytes(KEY_BYTES), os.link)


def _write(path: Path, content: bytes, place: Callable[[str, Path], None]) -> None:
    """Write a file of mode 600 to the disk under another name, then put it in place; no link is
    followed."""
    number, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        fsync(Path(unfinished))
        place(unfinished, path)
        fsync(path.parent)
    finally:
        Path(unfinished).unlink(missing_ok=True)
