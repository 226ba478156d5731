"""Secrets redacted wherever a run's settings or messages leave its folder, or are written twice."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

MASK = "***"
WORDS = (
    r"(?:pass(?:word|wd|phrase|code)s?|secrets?(?:[_-]?(?:access[_-]?)?key)?|token"
    r"|(?:api|access|private)[_-]?key|credentials?|authorization)"
)
SECRET_NAME = re.compile(rf"{WORDS}$", re.IGNORECASE)
# `name: value` and `"name": value` to the end of the line, with the lines of YAML that belong to it
SETTING = re.compile(
    rf"^(?P<indent>[ \t]*+)(?P<before>.*?{WORDS}(?:[\"'][ \t]*+:|[ \t]*+:(?=\s))[ \t]*+)"
    r"(?=\S|\n(?P=indent)[ \t]).*(?:\n(?P=indent)[ \t]+.*)*",
    re.IGNORECASE | re.MULTILINE,
)
ASSIGNMENT = re.compile(
    rf"({WORDS}[\"']?[ \t]*=[ \t]*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s&,;]+)", re.IGNORECASE
)


def redacted(data: Any) -> Any:
    """`data` with "***" in place of each secret: values under a name such as `password`, `api_key`
    or `token`, and user and password in a URL. Texts may be YAML or lines of a log."""
    return _mapped(data, _redacted_text)


def comparable(data: Any) -> Any:
    """`redacted(data)`, in which a URL with a secret has its host besides: settings with another
    password are the same, and those of another server are not."""
    return _mapped(data, lambda text: _redacted_text(text) + _hosts_in(text))


def _mapped(data: Any, of_text: Callable[[str], str]) -> Any:
    if isinstance(data, dict):
        return {
            name: MASK if value and SECRET_NAME.search(str(name)) else _mapped(value, of_text)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return type(data)(_mapped(x, of_text) for x in data)
    return of_text(data) if isinstance(data, str) else data


def has_mask(data: Any) -> bool:
    """True for plain data in which a secret was masked."""
    if isinstance(data, dict | list | tuple):
        return any(map(has_mask, data.values() if isinstance(data, dict) else data))
    return isinstance(data, str) and MASK in data


def folder_mode(config: Any) -> int:
    """The mode of a folder that will hold `config`: for its owner alone if it has a secret."""
    return 0o777 if redacted(config) == config else 0o700


def _redacted_text(text: str) -> str:
    text = re.sub(r"\S+", lambda word: _without_user(word[0]), text)
    text = SETTING.sub(rf"\g<indent>\g<before>{MASK}", text)
    return ASSIGNMENT.sub(rf"\g<1>{MASK}", text)


def _hosts_in(text: str) -> str:
    """The host of each URL in which something is masked: what comes before its path, without user,
    password and port."""
    hosts = []
    for word in text.split():
        scheme, _, rest = word.partition("://")
        if scheme and "@" in rest:
            before_path = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
            host = before_path.rpartition("@")[2].partition(":")[0]
            # without an "@" it may be a part of a secret that has a "/"
            hosts.append(
                host if "@" in before_path else hashlib.sha256(host.encode()).hexdigest()[:8]
            )
    return f" at {', '.join(hosts)}" if hosts else ""


def _without_user(word: str) -> str:
    """A URL without the part before its last "@"."""
    scheme, colon, rest = word.partition("://")
    return f"{scheme}{colon}{MASK}{rest[rest.rindex('@') :]}" if "@" in rest else word
