"""Errors that one message explains, and the guard around calls into custom code."""

import os
import re
import shlex
import sysconfig
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

LONGEST_VALUE = 80  # characters of a value that a message repeats
LONGEST_WORD = 120  # of a word outside quotes, such as a folder's name
LONGEST_REASON = 300  # of another library's message
# Unicode's categories of what is no visible character: controls, formats (such as the other writing
# direction), halves of pairs, line and paragraph separators
OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Frames of these are not custom code, as those of the standard library.
LIBRARIES = {
    *("elsinore", "jax", "jaxlib", "flax", "optax", "chex", "gymnax", "numpy", "jaxtyping"),
    *("beartype", "pydantic", "PIL", "imageio_ffmpeg", "matplotlib", "pandas", "rich", "yaml"),
}
STANDARD_LIBRARY = sysconfig.get_path("stdlib")


class ElsinoreError(Exception):
    """A failure that its message explains: one line that repeats at most 80 characters of a
    value."""

    def __init__(self, text: Any = ""):
        super().__init__(printable(shortened(" ".join(str(text).split("\n")))))


class ConfigError(ElsinoreError, ValueError):
    """A config that cannot be run; the message names the field, its value, the reason and a
    remedy."""


class RunError(ElsinoreError, RuntimeError):
    """A run that failed after its training had begun; what was saved can be resumed."""


class RepeatedError(RunError):
    """A run that failed as it would again if it were resumed."""


def printable(text: str) -> str:
    """`text` with "?" for each character that a terminal would obey, or cannot show; lines and tabs
    stay."""
    if text.isprintable():
        return text
    kept = (x in "\n\t" or unicodedata.category(x) not in OBEYED for x in text)
    return "".join(x if keep else "?" for x, keep in zip(text, kept, strict=True))


def shown(path: Any) -> str:
    """A path, or its name, as a message has it: one in the current folder from there."""
    try:
        inside = os.path.join(os.getcwd(), "")
    except OSError:  # the current folder was removed
        return str(path)
    return str(path).removeprefix(inside)


def quoted(path: Any) -> str:
    """A path, or its name, as a shell takes it in a command that a message tells."""
    return shlex.quote(shown(path))


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 step` and `2,000 steps`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def span(numbers: range) -> str:
    """The numbers of a range: `3`, or `0 to 7`."""
    return " to ".join(dict.fromkeys((str(numbers[0]), str(numbers[-1]))))


def shortened(text: str) -> str:
    """`text` with each long value in it (quoted text, a list, a mapping, a word) cut, but for those
    in a command, which is in backticks."""
    parts, at = [], 0
    for start in (match.start() for match in re.finditer(r"[`\[{]|(?<!\w)['\"]", text)):
        if start < at:
            continue
        end, is_command = _end_of_value(text, start), text[start] == "`"
        if end - start > LONGEST_VALUE and not is_command:
            parts += [text[at : start + LONGEST_VALUE - 4], "...", text[end - 1]]
            at = end
        elif text[start] in "'\"`":  # what it quotes is no value of its own
            parts.append(text[at:end])
            at = end
    long_word = re.compile(rf"[^\s/]{{{LONGEST_WORD + 1},}}")
    return long_word.sub(
        lambda word: word[0][: LONGEST_VALUE - 3] + "...", "".join([*parts, text[at:]])
    )


def _end_of_value(text: str, start: int) -> int:
    """The end of the quoted text or the brackets that begin at `start`; `start + 1` where they do
    not end."""
    opening = text[start]
    if opening in "'\"`":
        closing = re.compile(rf"\\.|{opening}")
        ends = (m.end() for m in closing.finditer(text, start + 1) if m[0] == opening)
        return next(ends, start + 1)
    depth = 0
    for bracket in re.compile(r"[\[{\]}]").finditer(text, start):
        depth += 1 if bracket[0] in "[{" else -1
        if depth == 0:
            return bracket.end()
    return start + 1


@contextmanager
def user_code(error: type[ElsinoreError] = ConfigError, **settings: Any) -> Iterator[None]:
    """Raise an `error` that names the setting, the function and the line for all that custom code
    raises, `SystemExit` included.

    `settings` are the settings that may name custom code, with their values: `"module:name"` or an
    object. Errors of elsinore itself pass unchanged.
    """
    try:
        yield
    except ElsinoreError:
        raise
    except (Exception, SystemExit) as raised:
        if (text := _explained(raised, settings)) is None:
            raise
        raise error(text) from raised


def _explained(raised: BaseException, settings: dict[str, Any]) -> str | None:
    """The place and reason of a failure of custom code; None where none is involved, and for a
    ValueError that names a setting itself."""
    frames = list(traceback.walk_tb(raised.__traceback__))
    own = [(frame, line) for frame, line in frames if _is_custom(frame)]
    custom = {name: setting_text(x) for name, x in settings.items() if names_custom_code(x)}
    refused = isinstance(raised, ValueError) and _package_of(frames[-1][0]) == "elsinore"
    in_its_own_words = isinstance(raised, ValueError) and re.match(r"[\w.]+=", str(raised))
    if in_its_own_words or (not own and (not custom or refused)):
        return None
    roots = [f"{f.f_globals.get('__name__')}:{_name_of(f).split('.')[0]}" for f, _ in own]
    whose = [name for root in reversed(roots) for name, x in custom.items() if x == root][:1]
    named = " or ".join(f"{name}={custom[name]!r}" for name in whose or custom) or "custom code"
    places = [f"{_name_of(f)} ({_file_of(f)}:{line})" for f, line in (own or frames)[-2:]]
    if own or [*custom] != ["env"]:
        remedy = ""
    else:
        check = env_check(custom["env"], by_name=isinstance(settings["env"], str))
        remedy = f"; {check} says more"
    return f"{named} fails in {', '.join(places)}: {reason_of(raised)}{remedy}"


def env_check(env: str, by_name: bool = True) -> str:
    """The command that checks an env, or the call where no command can make it: of a notebook, of
    an object or a function without a name, or not `by_name` alone."""
    by_name = by_name and not env.startswith("__main__:") and not re.search(r"[\s<]", env)
    return f"`elsinore check-env {quoted(env)}`" if by_name else "elsinore.check_env(env)"


@contextmanager
def on_error(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if the block raises, Ctrl-C included."""
    try:
        yield
    except BaseException:
        undo()
        raise


def one_line(text: object, most: int | None = None) -> str:
    """The text of an error, say, on one line: its first `most` characters, or all."""
    return " ".join(str(text).split())[:most]


def reason_of(error: BaseException) -> str:
    """Type and message of an error, on one line."""
    text = one_line(error)
    cut = text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__


def names_custom_code(x: Any) -> bool:
    """True for a setting's value that is code of the user's: `"module:name"`, or an object."""
    return ":" in (text := setting_text(x)) and re.split("[.:]", text)[0] not in LIBRARIES


def setting_text(x: Any) -> str:
    """A setting's value as text: an object as the `"module:name"` of itself or of its class."""
    if x is None or isinstance(x, str):
        return x or ""
    known = x if hasattr(x, "__qualname__") else type(x)
    return f"{known.__module__}:{known.__qualname__}"


def _is_custom(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    standard = file.startswith((STANDARD_LIBRARY, "<frozen")) and "-packages" not in file
    return not standard and _package_of(frame) not in LIBRARIES


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).split(".")[0]


def _name_of(frame: FrameType) -> str:
    return frame.f_code.co_qualname


def _file_of(frame: FrameType) -> str:
    return frame.f_code.co_filename.rpartition("/")[2]


def why_unreadable(error: Exception) -> str:
    """Why a file could not be read, on one line: what the system says, or 120 characters of the
    error."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or one_line(error, 120) or type(error).__name__
