"""The list of runs and the dialog that starts one, in a real browser; and every part of the page
by axe-core's rules of accessibility, wide and narrow, dark and light."""

import threading

import pytest

from elsinore.runs.replays import files as replays
from tests.page.accessibility import violations
from tests.page.browser import chromium, looking
from tests.page.conftest import as_if_trained, make_run, serving
from tests.page.test_browser import grow, until
from tests.view.drawing import scenes

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def test_runs_are_tagged_renamed_and_deleted_in_the_list(browser, tmp_path):
    for name in ("one", "two", "three"):
        make_run(tmp_path, name)
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        names = page.locator("tbody th a")
        until(lambda: names.count() == 3)
        assert page.get_by_role("button", name="Rename").is_disabled()
        assert page.get_by_role("img", name="Evaluations from 40.5 to 400.5").count() == 3

        page.get_by_label("Compare one").check()
        page.get_by_role("button", name="Tags").click()
        page.get_by_label("Tags of one").fill("baseline, good")
        page.keyboard.press("Enter")
        until(lambda: page.locator(".tags i").all_inner_texts() == ["baseline", "good"])
        page.get_by_label("Filter the runs").fill("good")
        until(lambda: names.all_inner_texts() == ["one"])
        page.get_by_label("Filter the runs").fill("")

        page.get_by_role("button", name="Rename").click()
        page.get_by_label("New name of one").fill("two")
        page.get_by_role("button", name="Rename").last.click()
        page.get_by_text("'two' is taken").wait_for()
        page.get_by_role("button", name="Rename").click()
        page.get_by_label("New name of one").fill("better")
        page.keyboard.press("Enter")
        until(lambda: set(names.all_inner_texts()) == {"better", "two", "three"})

        for name in ("two", "three"):
            page.get_by_label(f"Compare {name}").check()
        assert page.get_by_role("button", name="Rename").is_disabled()
        page.get_by_role("button", name="Delete").click()
        page.get_by_text("Move these 2 runs to the trash?").wait_for()
        page.get_by_role("button", name="No").click()
        assert (tmp_path / "two").is_dir()
        page.get_by_role("button", name="Delete").click()
        page.locator("[data-command=yes]").click()
        until(lambda: names.all_inner_texts() == ["better"])
        assert sorted(p.name for p in (tmp_path / ".trash").iterdir()) == ["three", "two"]


@pytest.mark.slow
def test_a_run_that_trains_is_not_deleted_and_a_reader_has_no_buttons(browser, tmp_path):
    run = make_run(tmp_path, "alive")
    with serving(tmp_path) as served, as_if_trained(run):
        with looking(browser, served.url) as page:
            page.get_by_label("Compare alive").check()
            page.get_by_role("button", name="Delete").click()
            page.locator("[data-command=yes]").click()
            page.get_by_text("alive is being trained; stop it first.").wait_for()
            assert run.is_dir()
        with looking(browser, f"http://127.0.0.1:{served.port}/") as page:
            page.get_by_label("Compare alive").check()
            for name in ("Rename", "Tags", "Delete", "Start a run"):
                assert page.get_by_role("button", name=name).is_disabled()


def test_a_run_is_put_together_from_the_settings_reference(browser, tmp_path):
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        sent = []
        served.api.launcher.plan = lambda settings: sent.append(settings) or "as planned"
        page.get_by_role("button", name="Start a run").click()
        dialog = page.get_by_role("dialog")
        gamma = dialog.get_by_label("algo.gamma", exact=True)
        gamma.wait_for()
        assert gamma.input_value() == "0.98"  # of the preset
        gamma.fill("0.9")
        gamma.press("Tab")
        find = dialog.get_by_label("Find a setting")
        find.fill("clip surrogate")
        dialog.get_by_label("algo.surrogate").select_option("spo")
        find.fill("normalize_obs")
        dialog.get_by_label("algo.normalize_obs").select_option("true")
        find.fill("")
        # what was changed stays in sight, and its own value undoes that
        assert gamma.input_value() == "0.9"
        dialog.get_by_label("algo.normalize_obs").select_option("false")
        dialog.get_by_label("Seeds").fill("3")
        dialog.get_by_role("button", name="Show the plan").click()
        dialog.get_by_text("as planned").wait_for()
        assert sent == [
            {
                "env": "CartPole-v1",
                "algo": "ppo",
                "seeds": 3,
                "set": ["algo.gamma=0.9", "algo.surrogate=spo"],
            }
        ]
        assert dialog.get_by_role("button", name="Start", exact=True).is_enabled()
        # another algorithm has other settings
        dialog.get_by_label("Algorithm").select_option("dqn")
        assert dialog.get_by_role("button", name="Start", exact=True).is_disabled()
        find.fill("buffer_size")
        dialog.get_by_label("algo.buffer_size").wait_for()
        assert dialog.get_by_label("algo.surrogate").count() == 0 and gamma.count() == 1
        dialog.get_by_label("Environment").fill("CartPole-v2")
        dialog.get_by_label("Environment").press("Tab")
        dialog.get_by_text("did you mean 'CartPole-v1'").wait_for()


@pytest.mark.slow
def test_a_plan_of_settings_that_were_changed_meanwhile_starts_nothing(browser, tmp_path):
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        planning = threading.Event()
        served.api.launcher.plan = lambda settings: planning.wait(30) and f"{settings['seeds']} of"
        page.get_by_role("button", name="Start a run").click()
        dialog = page.get_by_role("dialog")
        start = dialog.get_by_role("button", name="Start", exact=True)
        dialog.get_by_role("button", name="Show the plan").click()
        dialog.get_by_text("Planning").wait_for()
        dialog.get_by_label("Seeds").fill("3")
        planning.set()
        dialog.get_by_text("1 of").wait_for()
        assert start.is_disabled()
        dialog.get_by_role("button", name="Show the plan").click()
        dialog.get_by_text("3 of").wait_for()
        assert start.is_enabled()


@pytest.mark.slow
def test_a_link_is_clicked_and_has_the_focus_while_its_run_grows(browser, tmp_path):
    runs = {name: make_run(tmp_path, name, updates=8) for name in ("one", "two")}
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        for at, name in ((16, "two"), (20, "one"), (24, "two")):
            grow(runs[name], at)
            row = page.get_by_role("row", name=name)
            until(lambda row=row, at=at: f"{at * 64 / 1000:.3g}k of" in row.inner_text())
        names = page.locator("tbody th a")
        until(lambda: names.all_inner_texts() == ["two", "one"])  # the last changed first
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_label("Compare two").check()
        link = page.get_by_role("link", name="one")
        link.focus()
        box = link.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        for at in (28, 32):
            grow(runs["one"], at)
            row = page.get_by_role("row", name="one")
            until(lambda row=row, at=at: f"{at * 64 / 1000:.3g}k of" in row.inner_text())
        assert link.evaluate("link => link === document.activeElement")
        assert page.get_by_label("Compare two").is_checked()
        page.mouse.up()
        page.get_by_role("heading", name="one").wait_for()


@pytest.mark.slow
def test_a_line_is_hidden_in_all_charts_and_shown_again(browser, tmp_path):
    make_run(tmp_path, "run", seeds=3)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        summary = page.locator('[data-metric="loss/value"] .unseen')
        page.get_by_label("Each seed").check()
        until(lambda: "seed 1" in summary.inner_text())
        line = page.get_by_role("button", name="seed 1")
        line.press("Enter")
        until(lambda: "seed 1" not in summary.inner_text() and "seed 2" in summary.inner_text())
        assert line.get_attribute("aria-pressed") == "false"
        line.press("Enter")
        until(lambda: "seed 1" in summary.inner_text())


def parts_of_the_page(page):
    """Open every part of the page, one after another; yields the name of each."""
    page.locator("tbody th a").first.wait_for()
    page.get_by_label("Compare one").check()
    yield "list"
    page.get_by_role("button", name="Tags").click()
    yield "tags"
    page.get_by_role("button", name="No").click()
    page.get_by_role("button", name="Start a run").click()
    page.get_by_label("algo.gamma", exact=True).wait_for()
    yield "start"
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="one", exact=True).click()
    page.locator('[data-metric="eval/return"] canvas').wait_for()
    page.get_by_label("Each seed").check()
    yield "Curves"
    for tab in ("Agents", "Seeds", "Plan", "Events", "Numbers"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Agents":
            page.get_by_label("Step of the episode").wait_for()
        yield tab
    page.evaluate("location.hash = '#/compare/one,two'")
    page.get_by_role("heading", name="Comparison").wait_for()
    page.locator('[data-metric="eval/return"] canvas').wait_for()
    yield "comparison"
    page.locator('[data-metric="eval/return"]').hover()
    yield "buttons of a chart"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE], ids=["wide", "phone"])
def test_every_part_keeps_the_rules_of_accessibility(browser, tmp_path, viewport, scheme):
    for name in ("one", "two"):
        make_run(tmp_path, name)
    (tmp_path / "one" / "tags.json").write_text('["baseline"]')
    replays.write(tmp_path / "one" / "replays" / "0000000008-seed0.npz", scenes.replay((1,) * 4))
    with (
        serving(tmp_path) as served,
        # without transitions: what fades in has no contrast yet
        looking(browser, served.url, color_scheme=scheme, reduced_motion="reduce") as page,
    ):
        if viewport is not None:
            page.set_viewport_size(viewport)
        broken = {}
        for part in parts_of_the_page(page):
            if viewport is not None:
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= viewport["width"], f"{part} is {wide} pixels wide"
            broken[part] = violations(page)
        assert not any(broken.values()), broken
