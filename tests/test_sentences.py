"""Docstrings, help texts and messages name their subject, in plain words."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from elsinore.cli import elsinore_parser
from tests.sources import FILES, broken, folder_of, nodes_of

NO_SUBJECT = re.compile(r"(What|How|Where|Who|Whoever|Whose|Whether|When|Which)\b")
AVOIDED = re.compile(r"\b(told|whoever|somebody|nobody|one's own)\b", re.I)
EITHER = re.compile(r"(?<!phi)(?<=[a-z]{3})\(s\)")  # "2 seed(s)", but neither V(s) nor phi(s)
NO_NOUN = {"", "as", "by", "for", "how", "in", "likewise", "of", "or", "what", "where", "with"}


def docstrings(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def texts(path: Path) -> Iterator[str]:
    """All string literals, docstrings included; not the paths of leaves (".train.rnd")."""
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if node.value.startswith(".") else node.value


def test_a_docstring_begins_with_its_subject():
    assert broken(lambda path: [text for text in docstrings(path) if NO_SUBJECT.match(text)]) == {}


def test_texts_have_no_avoided_words():
    assert broken(lambda path: [text for text in texts(path) if AVOIDED.search(text)]) == {}


def test_a_number_of_things_is_written_by_counted():
    assert broken(lambda path: [text for text in texts(path) if EITHER.search(text)]) == {}


def options_of_a_shell(path: Path) -> list[str]:
    """Refusals of a file that name an option of the command line without its keyword in Python;
    commands, which are in backticks, are for a shell."""
    raised = (node for node in nodes_of(path) if isinstance(node, ast.Raise))
    parts = ([x for x in ast.walk(node) if isinstance(x, ast.Constant)] for node in raised)
    said = ("".join(x.value for x in each if isinstance(x.value, str)) for each in parts)
    return [x for x in said if " --" in f" {re.sub('`[^`]*`', '', x)}" and "in Python" not in x]


def test_a_refusal_names_the_keyword_of_an_option_too():
    own = {"cli", "worlds", "page"}  # commands, which Python callers do not call
    files = [path for path in FILES if folder_of(path) not in own]
    assert broken(options_of_a_shell, files).keys() == {
        "envs/registry.py",  # pip's --force-reinstall
        "view/human_play.py",  # --human, which has no keyword
        "config/yaml_files.py",  # texts of the command line
        "analysis/compare/thresholds.py",
    }


def options(parser: argparse.ArgumentParser, command: str = "elsinore"):
    """Every argument and subcommand of the command line with its help text."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield f"{command} {choice.dest}", choice.help
            for name, subparser in action.choices.items():
                yield from options(subparser, f"{command} {name}")
        elif action.help is not argparse.SUPPRESS:
            yield f"{command} {'/'.join(action.option_strings) or action.dest}", action.help


OPTIONS = {name: text for name, text in options(elsinore_parser())}
assert OPTIONS


@pytest.mark.parametrize("name", OPTIONS)
def test_a_help_text_begins_with_what_it_describes(name):
    text = OPTIONS[name]
    assert text and text.strip(), "no help text"
    assert text.split()[0].rstrip(",:;").lower() not in NO_NOUN
    assert not AVOIDED.search(text)


def test_a_seed_is_chosen_by_one_flag():
    flags = {name.split()[-1] for name in OPTIONS}
    assert "--seed" in flags and "--episode" in flags
    assert not flags & {"--seed-index", "--first"}
