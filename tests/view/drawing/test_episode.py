"""Episodes are drawn as scenes: environment, action scores, and outcome."""

import numpy as np
import pytest

from elsinore.envs.scene import Choices, Facts, Grid
from elsinore.errors import ConfigError
from elsinore.view.drawing.episode import MAX_ACTIONS, Episode
from tests.view.drawing.scenes import episode, replay


def panel(scene, kind, title=None):
    return next(p for p in scene.panels if isinstance(p, kind) and title in (None, p.title))


def facts(scene) -> dict[str, str]:
    return dict(panel(scene, Facts, "episode").rows)


def test_there_is_a_scene_for_the_beginning_and_one_for_each_step():
    played = episode((1, 0, 1))
    assert len(played) == 4
    assert [panel(played.scene(t), Grid).things[0].x for t in range(4)] == [0, 1, 1, 2]


def test_rewards_add_up_to_the_return():
    played = episode((1, 0, 1, 1))
    assert [facts(played.scene(t))["return"] for t in range(5)] == ["0", "1", "1", "2", "3"]
    assert facts(played.scene(0))["last reward"] == "-"


def test_each_scene_shows_the_next_action():
    played = episode((1, 0))
    first, second = (panel(played.scene(t), Choices).choices for t in (0, 1))
    assert [(c.name, c.value, c.chosen) for c in first] == [
        ("stay", 0.25, False),
        ("go", 0.75, True),
    ]
    assert [c.chosen for c in second] == [True, False]


def test_the_last_scene_has_an_outcome_and_no_action():
    played = episode((1, 0))
    assert not any(isinstance(p, Choices) for p in played.scene(2).panels)
    assert (
        facts(played.scene(1))["outcome"] == "running"
        and facts(played.scene(2))["outcome"] == "truncated"
    )


def test_an_illegal_action_is_shown_as_one():
    values = {"action value": np.array([[-np.inf, 2.0]])}
    assert [c.legal for c in panel(episode((1,), **values).scene(0), Choices).choices] == [
        False,
        True,
    ]
    probabilities = {"probability": np.array([[0.0, 1.0]])}
    assert [c.legal for c in panel(episode((1,), **probabilities).scene(0), Choices).choices] == [
        False,
        True,
    ]


def test_of_many_actions_the_likeliest_and_the_chosen_one_are_shown():
    probability = np.arange(100, dtype=float)[None] / 4950
    names = [
        c.name for c in panel(episode((1,), probability=probability).scene(0), Choices).choices
    ]
    assert len(names) == MAX_ACTIONS
    assert names[0] == "go" and names[-1] == "action 99"


@pytest.mark.parametrize(
    ("spread", "shown"),
    [({"standard deviation": np.array([[0.25]])}, "+0.50 ± 0.25"), ({}, "+0.50")],
)
def test_a_continuous_action_is_shown_with_its_mean(spread, shown):
    played = episode((1,), mean=np.array([[0.5]]), **spread)
    played.recording = played.recording._replace(action=np.array([[0.75]]))
    rows = dict(panel(played.scene(0), Facts, "action").rows)
    assert rows == {"taken": "+0.75", "mean": shown}


def test_the_title_has_environment_algorithm_and_seed():
    assert episode().scene(0).title == "lane · ppo · seed 2"


def test_a_missing_environment_is_named():
    lost = replay()._replace(about=replay().about | {"env": "no_such_module:World"})
    with pytest.raises(
        ConfigError, match="environment of this replay cannot be made: env='no_such_module:World'"
    ):
        Episode(lost)
