"""What the plan of a run says of Balatro's antes before anything is trained."""

import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.config.plan_lines import plan_facts
from elsinore.errors import ConfigError
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.state import BalatroParams

LADDER = {"curriculum.ladder": {"param": "max_ante", "initial": 1, "maximum": 4},
          "curriculum.advance_when": {"metric": "won", "at_least": 0.8}}  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "max_ante", "said"),
    [
        (0, 1, None),
        (0, 2, "hardly ever"),
        (0, 3, "hardly ever"),
        (0, 4, "cannot be won"),
        (0, 8, "cannot be won"),
        (1, 8, None),
        (2, 8, None),
    ],
)
def test_without_a_shop_no_hands_win_the_later_antes(stage, max_ante, said):
    found = Balatro(stage=stage).doubts(BalatroParams(max_ante=max_ante))
    assert [said in text for text in found] == ([] if said is None else [True])


@pytest.mark.slow
def test_a_plan_warns_of_each_stage_of_a_curriculum_that_cannot_be_won():
    settings = LADDER | {"env_params.max_ante": 4, "algo.network.hidden": [8]}
    lines = plan_facts(plan_for(load_experiment("Balatro-stage0", "ppo", overrides=settings)))
    warnings = [
        line.removeprefix("warning").strip() for line in lines if line.startswith("warning")
    ]
    assert [text.split(":")[1].strip() for text in warnings if text.startswith("curriculum")] == [
        "stage 1 'max_ante=2'",
        "stage 2 'max_ante=3'",
        "stage 3 'max_ante=4'",
    ]
    assert warnings[-1].startswith("max_ante=4 cannot be won at stage 0")


def test_a_teacher_that_plays_in_another_action_mode_is_refused():
    settings = {"env_kwargs.action_mode": "toggle"}
    message = "env_kwargs.action_mode='toggle' has no teacher: .* remove imitation"
    with pytest.raises(ConfigError, match=message):
        plan_for(load_experiment("Balatro-stage1", "ppo", overrides=settings))
