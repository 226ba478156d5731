"""A user's signature of what a run's files hold: HMAC-SHA256 under a random key of the user's own.

That of a config is a file beside it. It survives a copied or renamed folder, and no change of the
config.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from elsinore.runs.files.durable import fsync
from elsinore.runs.files.plain_files import clean_beside

KEY_BYTES = 32
TEXT = b"elsinore\0text\n"  # what a config's signature is of never begins so


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


def clean(config: Path) -> None:
    """Delete what killed processes left beside a config, which were signing it."""
    clean_beside(_signature_of(config))


def signature_of(text: str) -> str:
    """This user's signature of a text that a file carries beside it; empty without a key."""
    key = _key(make=True)
    return "" if key is None else _mac_of(key, TEXT + text.encode())


def is_signed(text: str, signature: str) -> bool:
    """True if it is this user's signature of the text, as `signature_of` gave it."""
    key = _key()
    return key is not None and hmac.compare_digest(
        _mac_of(key, TEXT + text.encode()).encode(), signature.encode()
    )


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
