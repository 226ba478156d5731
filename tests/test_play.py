"""`elsinore play`: a film of an agent, or one line that says why not."""

import io

import pytest
from PIL import Image

import elsinore
from elsinore import cli
from elsinore.errors import ConfigError
from elsinore.runs.replays import files as replays
from tests.view.drawing.scenes import replay


@pytest.fixture
def path(tmp_path):
    return str(replays.write(tmp_path / "one.npz", replay((1, 0, 1))))


@pytest.fixture
def play(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: its exit code, what it printed, and what it complained
    of."""
    monkeypatch.chdir(tmp_path)

    def command(*argv):
        code = cli.main(["play", *map(str, argv)])
        return code, *capsys.readouterr()

    return command


def test_a_replay_is_printed_where_there_is_no_terminal(play, path):
    code, out, err = play(path, "--trust")
    assert code == 0 and not err
    assert out.count("lane · ppo · seed 2") == 4  # the beginning and three steps
    assert "▶ go" in out and "75 %" in out
    assert out.splitlines()[-1] == "return 2 after 3 steps: truncated"


def test_an_episode_of_one_step_is_counted_as_one(play, tmp_path):
    path = str(replays.write(tmp_path / "short.npz", replay((1,))))
    assert " after 1 step: " in play(path, "--trust")[1]


def test_every_so_manieth_step_is_printed(play, path):
    assert play(path, "--trust", "--every", 3)[1].count("lane · ppo") == 2


def test_a_film_is_written_instead(play, path, tmp_path):
    code, out, err = play(path, "--trust", "--gif", "out.gif", "--light")
    assert code == 0 and out.startswith("out.gif: ") and "frames" in out
    with Image.open(tmp_path / "out.gif") as gif:
        assert min(gif.convert("RGB").getpixel((2, 2))) > 250


def test_chance_plays_in_an_environment_known_by_name(play):
    code, out, err = play("FrozenLake-misc", "--episodes", 2, "--every", 1000)
    assert code == 0 and not err
    assert out.count("return ") >= 2 and "FrozenLake-misc · chance · seed 1" in out


# By hand


@pytest.fixture
def typing(play, monkeypatch):
    """Type lines into a command that has no terminal."""

    def command(*argv, lines=()):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return play(*argv)

    return command


def test_a_person_plays_balatro(typing):
    """Three cards are discarded; three hands of one card and a last one of five do not suffice."""
    lines = ["hello", "d 1 2 3", "p 1", "p 9", "p 1", "p 1", "p 1 2 3 4 5"]
    code, out, err = typing(
        "Balatro-stage0", "--human", "--set", "env_params.max_ante=1", lines=lines
    )
    assert code == 0 and not err
    assert "'hello' is no command: p 1 3 5 plays the first, third and fifth card" in out
    assert "there is no card 9; the hand has 1 to 8." in out
    assert "0 of 300" in out and "Small Blind, ante 1 of 1" in out
    last, facts = out.splitlines()[-2:]
    assert last.endswith("after 5 steps: terminated")
    assert facts.startswith("won no, ante 1, blinds 0, score ") and facts.endswith("hands 4")


def test_the_end_of_the_input_ends_an_episode_that_is_shown_step_by_step(typing):
    code, out, err = typing("CartPole-v1", "--step", lines=[""])
    assert (code, err) == (0, "") and out.count("Enter: next step") == 2


def test_an_env_that_chance_plays_in_may_be_changed(play):
    _, out, _ = play("CartPole-v1", "--set", "env_params.max_steps_in_episode=2", "--every", 1000)
    assert "return 2 after 2 steps: truncated" in out


def test_the_env_of_a_replay_is_as_it_was(play, path):
    code, _, err = play(path, "--set", "env_params.max_steps_in_episode=2")
    assert code == 2 and "applies to an environment by name" in err


MISTAKES = {
    "nothing known": (
        ["Nowhere"],
        "Nowhere is not a replay, a run in runs or a known environment",
    ),
    "nothing known but nearly": (["CartPole"], "did you mean 'CartPole-v1'? `elsinore runs` and"),
    "a replay that is not there": (
        ["x.npz"],
        "replay x.npz cannot be read: No such file or directory.",
    ),
    "a folder that is no run": (["/dev"], "/dev is not a run"),
    "a policy of an environment": (
        ["CartPole-v1", "--policy", "best"],
        "CartPole-v1 is not a run in runs",
    ),
    "a seed of an environment": (
        ["CartPole-v1", "--seed", "0"],
        "CartPole-v1 is not a run in runs",
    ),
    "no episodes": (["CartPole-v1", "--episodes", "0"], "episodes=0 must be at least 1."),
    "a negative speed": (["CartPole-v1", "--speed", "-1"], "--speed -1.0 must be 0 or more."),
    "an endless speed": (["CartPole-v1", "--speed", "inf"], "--speed inf must be 0 or more."),
    "a speed of hours": (["CartPole-v1", "--speed", "1e-9"], "must be 0 or at least 0.01."),
    "a film of no kind": (["CartPole-v1", "--gif", "x.avi"], "x.avi ends in neither"),
    "a film nowhere": (["CartPole-v1", "--gif", "none/x.gif"], "there is no folder none"),
    "a film by hand": (
        ["CartPole-v1", "--human", "--gif", "x.gif"],
        "--human and --gif do not go together",
    ),
    "a picture as a film": (
        ["CartPole-v1", "--day", "x.png", "--gif", "x.gif"],
        "--day and --gif do not go together: --day draws one episode as a picture. Leave either",
    ),
    "several days": (["CartPole-v1", "--day", "x.png", "--episodes", "3"], "--day and --episodes"),
    "a film by steps": (["CartPole-v1", "--gif", "x.gif", "--step"], "--gif and --step do not"),
    "some of a film": (["CartPole-v1", "--mp4", "x.mp4", "--every", "9"], "--mp4 and --every do"),
    "steps with a speed": (["CartPole-v1", "--step", "--speed", "1"], "--step and --speed do not"),
    "a light terminal": (["CartPole-v1", "--light"], "--light is for films; give --gif or --mp4"),
    "a speed by hand": (["CartPole-v1", "--human", "--speed", "2"], "--human and --speed do not"),
    "samples of chance": (["CartPole-v1", "--sample"], "policy, seed and sample are of a run"),
    "nothing by hand": (
        ["CartPole-v1", "--human", "--episodes", "0"],
        "episodes=0 must be at least 1.",
    ),
    "nowhere by hand": (
        ["Nowhere", "--human"],
        "Nowhere is not a replay, a run in runs or a known environment",
    ),
    "a setting of no world": (
        ["CartPole-v1", "--set", "seeds=2"],
        "seeds is not a setting of an environment",
    ),
    "a setting of another world": (
        ["CartPole-v1", "--set", "env_params.max_ante=2"],
        "env_params.max_ante is no",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(play, mistake, tmp_path):
    argv, message = MISTAKES[mistake]
    code, out, err = play(*argv)
    assert code == 2 and not out
    assert message in err and err.startswith("elsinore: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_code_that_a_replay_names_is_imported_in_python_with_trust(path, capsys):
    with pytest.raises(ConfigError, match=r"in Python, trust=True"):
        elsinore.play(path)
    elsinore.play(path, trust=True)
    assert "lane · ppo" in capsys.readouterr().out


def test_a_replay_is_not_played_by_hand(play, path):
    code, _, err = play(path, "--human")
    assert code == 2 and err == (
        f"elsinore: --human plays an environment, by its name or a run's, and {path} is a file;"
        " give either, or leave out --human to watch what was recorded.\n"
    )


@pytest.mark.parametrize(
    "option",
    [("--policy", "best"), ("--seed", 0), ("--sample",), ("--episodes", 2), ("--episode", 3)],
    ids=lambda option: option[0],
)
def test_a_replay_has_nothing_to_choose_from(play, path, option):
    code, _, err = play(path, *option)
    assert code == 2
    assert f"which is played as recorded; leave out {option[0].strip('-')}" in err


@pytest.mark.parametrize(
    "option",
    [("--checkpoint", "best"), ("--seed", 0), ("--agent", "agent_0"), ("--measure",), ("--json",)],
    ids=lambda option: option[0],
)
def test_a_replay_is_written_as_recorded(path, capsys, option):
    assert cli.main(["export", path, "--format", "json", *map(str, option)]) == 2
    assert f"which is written as recorded; leave out {option[0]}." in capsys.readouterr().err
