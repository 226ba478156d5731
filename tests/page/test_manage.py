"""Runs are renamed, tagged and deleted from the page, but never while they train."""

import json
import os

import pytest

from elsinore.page.manage import MAX_TAG, MAX_TAGS
from elsinore.runs import shipped
from elsinore.runs.run_dir import RunDir
from tests.page.conftest import as_if_trained, make_run, serving


@pytest.fixture
def folder(tmp_path):
    make_run(tmp_path, "one")
    make_run(tmp_path, "two")
    with serving(tmp_path) as served:
        yield tmp_path, served


def names(served) -> set[str]:
    return {run["name"] for run in served.get("runs")}


def test_a_run_is_renamed_and_all_of_it_is_there(folder):
    top, served = folder
    before = served.get("run", run="one")["config"]
    assert served.post("rename", run="one", to="baseline") == (200, {"run": "baseline"})
    assert names(served) == {"baseline", "two"}
    assert served.get("run", run="baseline")["config"] == before
    assert not (top / "one").exists()


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("two", "is taken"),
        ("", "is not a folder name"),
        ("../out", "is not a folder name"),
        ("a/b", "is not a folder name"),
        (".hidden", "is not a folder name"),
        ("mlflow.db", "MLflow's own file"),
    ],
)
def test_a_name_that_cannot_be_is_refused(folder, to, why):
    top, served = folder
    status, answer = served.post("rename", run="one", to=to)
    assert status == 409 and why in answer["error"]
    assert names(served) == {"one", "two"}


def test_a_deleted_run_is_in_the_trash_and_comes_back_when_it_is_moved_back(folder):
    top, served = folder
    assert served.post("delete", run="one") == (200, {"trash": ".trash/one"})
    assert names(served) == {"two"} and served.get("skipped") == {}
    make_run(top, "one")
    served.api.run_list.search_again()
    assert served.post("delete", run="one") == (200, {"trash": ".trash/one-2"})
    (top / ".trash" / "one").rename(top / "one")
    served.api.run_list.search_again()
    assert names(served) == {"one", "two"}


def test_a_run_that_trains_is_neither_renamed_nor_deleted_but_tagged(folder):
    top, served = folder
    with as_if_trained(top / "one"):
        for what in ("delete", "rename"):
            status, answer = served.post(what, run="one", to="other")
            assert status == 409 and "is being trained; stop it first" in answer["error"]
        assert served.post("tag", run="one", tags="live") == (200, {"tags": ["live"]})
    trained = RunDir(top / "one")
    trained.lock()  # a process that has not begun to answer
    assert served.post("delete", run="one")[0] == 409
    trained.unlock()
    assert served.post("delete", run="one")[0] == 200


def test_a_run_that_cannot_be_locked_for_another_reason_is_not_said_to_train(folder, monkeypatch):
    top, served = folder
    monkeypatch.setattr(shipped, "FOLDER", top.resolve())  # as if the runs came with the package
    status, answer = served.post("delete", run="one")
    assert status == 409 and answer["error"].startswith("one cannot be changed: preset:one holds a")


@pytest.mark.parametrize(
    ("mark", "shown"), [(".comparison", "CartPole-v1"), ("sweep.yaml", "groups")]
)
def test_a_part_of_a_comparison_or_a_sweep_keeps_its_name_in_whichever_folder_is_shown(
    tmp_path, mark, shown
):
    make_run(tmp_path / "whole" / shown, "one")
    (tmp_path / "whole" / mark).touch()
    with serving(tmp_path / "whole" / shown) as served:
        for what in ("delete", "rename"):
            status, answer = served.post(what, run="one", to="other")
            assert status == 409 and "neither renamed nor deleted" in answer["error"]


def test_tags_are_kept_with_the_run_and_shown_in_the_list(folder):
    top, served = folder
    assert served.post("tag", run="one", tags=" a, b b,,a ") == (200, {"tags": ["a", "b b"]})
    assert json.loads((top / "one" / "tags.json").read_text()) == ["a", "b b"]
    by_name = {run["name"]: run for run in served.get("runs")}
    assert by_name["one"]["tags"] == ["a", "b b"] and by_name["two"]["tags"] == []
    served.post("rename", run="one", to="three")
    assert served.get("run", run="three")["tags"] == ["a", "b b"]
    assert served.post("tag", run="three", tags="") == (200, {"tags": []})


@pytest.mark.parametrize("tags", ["x" * (MAX_TAG + 1), "a\nb", ",".join(map(str, range(17)))])
def test_tags_that_cannot_be_shown_are_refused(folder, tags):
    assert MAX_TAGS == 16
    status, answer = folder[1].post("tag", run="one", tags=tags)
    assert status == 409 and "tag" in answer["error"]


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", '["' + "x" * 99 + '"]'])
def test_a_file_of_tags_that_cannot_be_read_takes_nothing_from_the_run(folder, text):
    top, served = folder
    (top / "one" / "tags.json").write_text(text)
    run = next(run for run in served.get("runs") if run["name"] == "one")
    assert run["tags"] == [] and run["unread"] == ["tags.json is no list of tags."]
    assert run["return"] is not None


@pytest.mark.parametrize("what", ["rename", "tag", "delete"])
def test_without_the_token_nothing_changes(folder, what):
    top, served = folder
    status, _, body = served.ask(f"/api/{what}", "POST", run="one", to="x", tags="x")
    assert status == 403 and b"needs the token" in body
    assert names(served) == {"one", "two"} and not (top / "one" / "tags.json").exists()


@pytest.mark.parametrize("name", ["", "..", "none", "../one", ".trash/one"])
def test_no_folder_but_a_run_is_touched(folder, name):
    for what in ("rename", "tag", "delete"):
        assert folder[1].post(what, run=name, to="x", tags="x")[0] == 409


def test_a_run_of_a_comparison_keeps_its_name_and_links_are_not_followed(tmp_path):
    make_run(tmp_path, "bout/CartPole-v1/ppo")
    run, outside = make_run(tmp_path, "linked"), tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("not a lock")
    (run / ".lock").symlink_to(outside)
    (tmp_path / ".trash").symlink_to(tmp_path.parent)
    make_run(tmp_path, "plain")
    with serving(tmp_path) as served:
        status, answer = served.post("delete", run="bout/CartPole-v1/ppo")
        assert status == 409 and "a comparison or a sweep may know it" in answer["error"]
        assert ".lock is no file" in served.post("delete", run="linked")[1]["error"]
        assert ".trash is a link" in served.post("delete", run="plain")[1]["error"]


def test_a_link_in_the_place_of_an_unfinished_file_is_not_written_through(folder, tmp_path):
    top, served = folder
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (top / "one" / f".tags.json.{os.getpid()}").symlink_to(mine)
    assert served.post("tag", run="one", tags="a") == (200, {"tags": ["a"]})
    assert mine.read_text() == "mine"


def test_the_small_curve_is_of_means_over_seeds_and_ends_at_the_newest(folder):
    run = next(run for run in folder[1].get("runs") if run["name"] == "one")
    assert run["sparkline"] == [10.0 * update + 0.5 for update in range(4, 41, 4)]
    assert run["sparkline"][-1] == run["return"]


def test_the_settings_offered_are_those_of_the_reference_with_the_presets_values(folder):
    served = folder[1]
    found = {one["name"]: one for one in served.get("settings", env="CartPole-v1", algo="ppo")}
    assert found["algo.gamma"]["value"] == "0.98" and found["algo.gamma"]["domain"] == "0 to 1"
    assert found["env_steps"]["value"] == "100000"
    assert found["env_params.max_steps_in_episode"]["value"] == "500"
    assert found["layout"]["choices"] == ["auto", "map", "vmap"]
    assert found["algo.normalize_obs"]["choices"] == ["true", "false"]
    assert "meaning" in found["seed"] and found["seed"]["meaning"]
    rainbow = {
        one["name"]: one for one in served.get("settings", env="CartPole-v1", algo="rainbow")
    }
    assert rainbow["algo.distribution"]["value"] == "c51"
    status, _, body = served.ask("/api/settings", env="CartPole-v2", algo="ppo")
    assert status == 404 and b"did you mean 'CartPole-v1'" in body
    assert served.ask("/api/settings", env="no_such:Env", algo="ppo")[0] == 200  # not imported
