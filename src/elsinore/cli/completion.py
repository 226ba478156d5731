"""`elsinore completion`: a script that completes commands, options and names in a shell."""

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

RUNS = object()  # among the values of an argument: the runs that there are at each completion
# compgen -W expands each word, also commands in it, so it is given none of the names of runs; those
# are offered in quotes, since the shell expands the line once more.
SCRIPT = """\
{prefix}_elsinore() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words="" runs="" each
  case "${{COMP_WORDS[1]}} $before" in
{values}
    *) case "${{COMP_WORDS[1]}}" in
{commands}
    esac ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="{names}" runs=""; fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ -z "$runs" ]; then return; fi
  while IFS= read -r each; do
    if [ -n "$each" ]; then each=$(printf %q "$each"); fi
    if [[ -n $each && $each == "$word"* ]]; then COMPREPLY+=("$each"); fi
  done <<< "$(command ls runs 2>/dev/null)"
}}
complete -o default -F _elsinore elsinore
"""
PREFIXES = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}


def add(commands) -> None:
    completion = commands.add_parser(
        "completion", help='print shell completion: eval "$(elsinore completion bash)"'
    )
    completion.add_argument("shell", choices=tuple(PREFIXES), help="shell to complete in")
    completion.set_defaults(function=partial(completion_command, commands))


def completion_command(commands, args: argparse.Namespace) -> int:
    print(script(commands, args.shell), end="")
    return 0


def script(commands, shell: str) -> str:
    """The script for one shell, from the commands of `elsinore`, as `add` gets them: all of them,
    once the parser is whole."""
    values, words = [], []
    for name, command in commands.choices.items():
        words.append(f"      {name}) {_assigned(_words(command))} ;;")
        for action in command._actions:
            if action.option_strings and (known := _values(action)):
                either = "|".join(f'"{name} {option}"' for option in action.option_strings)
                values.append(f"    {either}) {_assigned(known)} ;;")
    return SCRIPT.format(
        prefix=PREFIXES[shell],
        values="\n".join(values),
        commands="\n".join(words),
        names=" ".join(commands.choices),
    )


def _assigned(values: Iterable[Any]) -> str:
    """The assignments that offer these values."""
    values = list(values)
    words = " ".join(value for value in values if value is not RUNS)
    return f'words="{words}"' + (" runs=1" if RUNS in values else "")


def _words(command: argparse.ArgumentParser) -> Iterator[Any]:
    """The options of a command, and the values of its arguments."""
    for action in command._actions:
        yield from action.option_strings or _values(action)


def _values(action: argparse.Action) -> list[Any]:
    """The values of an argument, where they are known; `RUNS` stands for those of the runs."""
    from elsinore.algos.registry import ALGORITHMS
    from elsinore.envs import names

    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    kinds: dict[str, list[Any]] = {"RUN": [RUNS], "ENV": [*names()], "ALGO": list(ALGORITHMS)}
    kinds["TARGET"] = kinds["RUN"] + kinds["ENV"]
    wanted = str(action.metavar or action.dest).upper().split("|")
    return [value for kind in wanted for value in kinds.get(kind, ())]
