"""The table of all runs."""

import json

from rich.cells import cell_len

from elsinore.cli import main
from elsinore.cli.runs import _row, _say_table


def test_columns_stand_below_one_another_whatever_the_letters_of_a_name(capsys):
    names = ("走る-環境", "plain")
    _say_table([{"run": name, "state": "finished", "unread": []} for name in names], {})
    head, *lines = capsys.readouterr().out.splitlines()
    starts = {cell_len(line.partition("finished")[0]) for line in lines}
    assert starts == {head.index("state")}


def test_a_population_is_listed_with_its_members_and_their_seeds(capsys):
    both = [{"run": "many", "members": 3, "seeds": 2}, {"run": "one", "seeds": 4}]
    _say_table([{"state": "interrupted", "unread": []} | row for row in both], {})
    head, many, one = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head[:4] == ["run", "state", "members", "seeds"]
    assert many == ["many", "interrupted", "3", "2"]
    assert one == ["one", "interrupted", "-", "4"]


def test_the_return_of_a_population_is_that_of_its_best_member(tmp_path):
    returns = {"mean": 1.5, "iqm": 1.5, "ci95": None, "per_seed": [1.0, 2.0]}
    best = {"member": 1, "eval_return": {"mean": 2.0, "iqm": 2.0, "ci95": None, "per_seed": [2.0]}}
    summary = {"stopped_by": "budget", "seeds": 1, "env_steps": 64, "eval_return": returns}
    summary |= {"members": [{"algo.gamma": 0.9}, {"algo.gamma": 0.99}], "best_member": best}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("env: CartPole-v1\n")
    (run / "summary.json").write_text(json.dumps(summary))
    row = _row(tmp_path, "run")
    assert (row["members"], row["seeds"], row["return"]) == (2, 1, 2.0)


def test_a_long_name_is_whole_and_leaves_the_table_as_narrow_as_it_was(capsys):
    names = ("a" * 90, "short")
    _say_table([{"run": name, "state": "finished", "unread": []} for name in names], {})
    head, *lines = capsys.readouterr().out.splitlines()
    assert lines[0] == names[0] and len(head) < 100
    assert [line.index("finished") for line in lines[1:]] == [head.index("state")] * 2


def test_a_date_for_the_seeds_of_one_run_leaves_the_json_of_all(tmp_path, capsys):
    for name, seeds in (("odd", "2020-01-01"), ("plain", "3")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(f"env: CartPole-v1\nseeds: {seeds}\n")
        (tmp_path / name / "metrics.sqlite").touch()
    assert main(["runs", "--runs-dir", str(tmp_path), "--json"]) == 0
    found = {row["run"]: row["seeds"] for row in json.loads(capsys.readouterr().out)}
    assert found == {"odd": None, "plain": 3}
