"""A run's description and tags: for people, and wherever they look for it."""

import json

import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.errors import ConfigError
from elsinore.page.manage import parse_tags
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.mlflow import words_of

WORDS = {"description": "Shorter rollouts,\nfor the paper.", "tags": ["paper", "short rollouts"]}


def test_they_are_in_the_folder_the_plan_and_mlflow(tmp_path):
    experiment = load_experiment("CartPole-v1", overrides=WORDS)
    folder = RunDir.create(tmp_path, "first", experiment)
    folder.unlock()
    assert elsinore.load(folder.path).experiment.description == WORDS["description"]
    assert parse_tags(json.loads(folder.tags.read_text())) == WORDS["tags"]
    assert plan_facts(plan_for(experiment))[0] == "description     Shorter rollouts, for the paper."
    assert words_of(dotted(as_dict(experiment))) == {
        "mlflow.note.content": WORDS["description"],
        "elsinore.tags": "paper, short rollouts",
    }


def test_a_run_without_them_says_nothing(tmp_path):
    experiment = load_experiment("CartPole-v1")
    folder = RunDir.create(tmp_path, "first", experiment)
    folder.unlock()
    assert not folder.tags.exists()
    assert words_of(dotted(as_dict(experiment))) == {}
    assert plan_facts(plan_for(experiment))[0].startswith("environment")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"description": "x" * 5_001}, "has 5,001 characters; use at most 5,000"),
        ({"tags": ["a"] * 17}, "are 17; a run has at most 16"),
        ({"tags": ["a", "b,c"]}, "'b,c' must be 1 to 40 printable characters"),
        ({"tags": [" "]}, "' ' must be 1 to 40 printable characters"),
        ({"tags": ["x" * 41]}, "must be 1 to 40 printable characters"),
    ],
)
def test_words_that_cannot_be_shown_are_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        load_experiment("CartPole-v1", overrides=words)
