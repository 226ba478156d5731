"""A parser of arguments that refuses in one message with a remedy, as all of elsinore does."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from elsinore.cli.arguments import EXIT_BAD_INPUT
from elsinore.errors import printable, quoted, shortened
from elsinore.validation import did_you_mean


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose options are given whole; those of its commands are of this class,
    too."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith(("?", ".")) else f"; see `{self.prog} --help`."
        self.exit(EXIT_BAD_INPUT, f"elsinore: {printable(shortened(message + end))}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As `ArgumentParser`'s, but none may be unknown: the command that got it refuses it."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._refusal(unknown))
        return known, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        """As `ArgumentParser`'s, but a help text that cannot be written is no success."""
        if message:
            print(message, end="", file=file or sys.stderr, flush=True)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            end = did_you_mean(value, action.choices, label="known")
            raise argparse.ArgumentError(action, f"{value!r} is unknown{end}")

    def _refusal(self, unknown: list[str]) -> str:
        if not unknown[0].startswith("-"):
            return f"{unknown[0]!r} is one argument too many for {self.prog}"
        option, _, value = unknown[0].partition("=")
        options = self._option_string_actions
        if option == "--plan" and "--set" in options:
            return (
                f"--plan is no option of {self.prog}; `elsinore train --plan` with the env, the"
                " algorithm and the settings of one of its runs shows the plan of that run."
            )
        place = option.strip("-").upper()
        if place in (action.metavar for action in self._get_positional_actions()):
            return (
                f"{option} is no option of {self.prog}; give {place} without it, as in"
                f" `{self.prog} {quoted(value) if value else place}`."
            )
        setting = _setting_of(option) if "--set" in options else ""
        if not setting.startswith(self.get_default("settable") or ""):
            setting = ""
        if f"--{option.strip('-').replace('_', '-').lower()}" in options:
            setting = ""  # an option spelt as a setting is
        elif setting and f"--{setting.replace('_', '-')}" not in options:
            given = quoted(f"{setting}={value or 'VALUE'}")
            return f"{option} is no option of {self.prog}; give --set {given}."
        return f"{option} is no option of {self.prog}{_close(setting or option, options)}"


def _setting_of(option: str) -> str:
    from elsinore.runs.call import setting_of

    return setting_of(option.strip("-").replace("-", "_"))


def _close(name: str, options: Iterable[str]) -> str:
    name = f"--{name.strip('-').replace('_', '-')}"
    begun = [option for option in options if option.startswith(name)]
    found = did_you_mean(name, begun or options)
    return "" if found == "." else found
