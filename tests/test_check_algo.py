"""`elsinore check-algo`, as a person uses it."""

import pytest

from elsinore.cli import main

SMALL = ["--set", "algo.num_envs=2", "--set", "algo.rollout_length=4"]


def asked(capsys, *args):
    code = main(["check-algo", *args])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_sound_algorithm_of_ones_own_keeps_every_law_and_is_told_so(capsys):
    code, out, err = asked(capsys, "tests.laws.broken_algorithms:sound", *SMALL)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


def test_a_broken_one_is_refused_with_the_law_it_breaks_and_what_rests_on_that(capsys):
    code, out, err = asked(capsys, "tests.laws.broken_algorithms:growing", *SMALL)
    assert code == 2 and "breaks 1 law(s): stable." in err
    assert "FAIL stable: the state has one structure before an update" in out
    assert "skip metrics: not checked" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["ppq"], "algo='ppq' is unknown; did you mean 'pqn'?"),
        (["tests.nowhere:sound"], "algo='tests.nowhere:sound' cannot be imported"),
        (["ppo", "--set", "algo.gama=0.9"], "algo.gama is not a setting; did you mean"),
        (["ppo", "--set", "env_steps=9"], "--set env_steps is no setting of an algorithm; give algo.NAME=VALUE."),
        (["ppo", "--env", "Cartpole-v1"], "did you mean 'CartPole-v1'?"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(capsys, args, said):
    code, _, err = asked(capsys, *args)
    assert code == 2 and said in err
