"""The command `elsinore check-algo`."""

import pytest

from elsinore.cli import main

SMALL = ["--set", "algo.num_envs=2", "--set", "algo.rollout_length=4"]


def check_algo(capsys, *args):
    code = main(["check-algo", *args])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_sound_custom_algorithm_passes_every_check(capsys):
    code, out, err = check_algo(capsys, "tests.checks.broken_algorithms:sound", *SMALL)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


def test_a_broken_algorithm_fails_one_check_and_skips_those_that_need_it(capsys):
    code, out, err = check_algo(capsys, "tests.checks.broken_algorithms:weakly_typed", *SMALL)
    assert code == 2 and "fails 1 check: stable." in err
    assert "FAIL stable: state.learner.params['value'] is weakly typed" in out
    assert "skip metrics: not checked" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["ppq"], "algo='ppq' is unknown; did you mean 'pqn'?"),
        (["tests.nowhere:sound"], "algo='tests.nowhere:sound' cannot be imported"),
        (["ppo", "--set", "algo.gama=0.9"], "algo.gama is not a setting; did you mean"),
        (
            ["ppo", "--set", "env_steps=9"],
            "--set env_steps is not a setting of an algorithm; give algo.NAME=VALUE.",
        ),
        (["ppo", "--env", "Cartpole-v1"], "did you mean 'CartPole-v1'?"),
    ],
)
def test_bad_arguments_are_refused_with_a_remedy(capsys, args, message):
    code, _, err = check_algo(capsys, *args)
    assert code == 2 and message in err
