"""What the page says of a run whose seeds stop at different steps, in a real browser."""

import contextlib
import csv
import io
import json
import sqlite3

import pytest

from elsinore.config.load import load_experiment
from elsinore.config.parse import as_dict
from elsinore.config.yaml_files import yaml_text
from elsinore.page.changed_settings import changed_settings
from elsinore.runs.commit import current_commit
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.store.store import Store
from tests.cli.bad_inputs import BOMB
from tests.page.browser import chromium, looking
from tests.page.conftest import (
    LAST_EVALUATED,
    STEPS,
    long_run,
    make_run,
    number_at,
    serving,
)
from tests.page.test_browser import until

UPDATES, STOP = 36, 12  # seed 1 stops at a third of the run
CHANGED = "env: CartPole-v1\nalgo:\n  name: ppo\n  gamma: 0.5\nseeds: 2\n"


def metrics_at(update: int, seed: int) -> dict[str, float]:
    """Seed 1 stops at an unlucky moment: its last losses are large, its last returns small."""
    unlucky = seed == 1
    return {
        "loss/value": 23.0 if unlucky else 1.0 / update,
        "value/explained_variance": -1.0 if unlucky else 0.9,
        "episode/return": 20.0 if unlucky else 400.0 + update,
        "episode/count": 2.0,
    } | ({"eval/return": 500.0 if unlucky else 300.0 + update} if update % 4 == 0 else {})


def stopped_run(top, name="stops", updates=UPDATES):
    """A run of two seeds, chunks of four updates, of which seed 1 has the first third alone."""
    path = make_run(top, name, updates=0, num_updates=UPDATES, commit="abc123-dirty")
    (path / "config.yaml").write_text(CHANGED)
    store = Store(path / "metrics.sqlite")
    for end in range(4, updates + 1, 4):
        write_chunk(store, end)
    store.close()
    return path


def write_chunk(store: Store, end: int) -> None:
    rows = [
        Row(update, seed, "", name, value)
        for update in range(end - 3, end + 1)
        for seed in (0, 1)
        if seed == 0 or update <= STOP
        for name, value in metrics_at(update, seed).items()
    ]
    store.write(ChunkRecord(end, end * STEPS, rows, 1.7e9 + end, 0.25, 1e4))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, tmp_path):
    stopped_run(tmp_path)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/stops") as page:
        page.locator('[data-metric="loss/value"] canvas').wait_for()
        yield page


def numbers_of(page, title: str) -> list[dict[str, str]]:
    """A chart's CSV file."""
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save the numbers of {title}").press("Enter")
    return list(csv.DictReader(io.StringIO(download.value.path().read_text())))


def test_after_a_seed_has_stopped_a_loss_is_that_of_the_others(page):
    for title, metric in (
        ("Value loss", "loss/value"),
        ("Explained variance", "value/explained_variance"),
        ("Training return", "episode/return"),
    ):
        rows = numbers_of(page, title)
        assert len(rows) == UPDATES
        for update, row in enumerate(rows, 1):
            seeds = [metrics_at(update, seed)[metric] for seed in (0, 1)[: 1 + (update <= STOP)]]
            assert float(row["steps"]) == update * STEPS
            assert float(row["mean over seeds"]) == pytest.approx(sum(seeds) / len(seeds))


@pytest.mark.slow
def test_a_seed_has_stopped_though_a_callback_logs_for_it(browser, tmp_path):
    run = stopped_run(tmp_path)
    store = Store(run / "metrics.sqlite")
    for update in range(4, UPDATES + 1, 4):
        store.log([Row(update, seed, "", "my/metric", 1.0) for seed in (0, 1)], "{}")
    store.close()
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/stops") as page:
        tile = page.locator('[data-tile="Training return"]')
        until(lambda: "1 of 2 seeds, the last to learn" in tile.inner_text())
        assert float(numbers_of(page, "Value loss")[-1]["mean over seeds"]) == 1.0 / UPDATES
        dots = """async () => {
            const { CurvesPanel } = await import("/static/curves_panel.js");
            const { RunData } = await import("/static/run_data.js");
            const { get } = await import("/static/server.js");
            const run = new RunData("stops");
            run.load(await get("curves", { run: "stops" }));
            const panel = new CurvesPanel([run]);
            panel.settings.each = true;
            return ["loss/value", "my/metric"].map((name) =>
                panel.linesOf(name).map(({ label, x, marks }) => [label, marks.map((i) => x[i])]));
        }"""
        at_stop = [["seed 0", []], ["seed 1 (stopped)", [STOP * STEPS]]]
        assert page.evaluate(dots) == [at_stop, at_stop]


@pytest.mark.slow
def test_a_stopped_seed_keeps_its_evaluation_since_its_policy_is_what_it_was(page):
    rows = numbers_of(page, "Evaluation return")
    assert [float(row["mean over seeds"]) for row in rows] == [
        (300.0 + update + 500.0) / 2 for update in range(4, UPDATES + 1, 4)
    ]


@pytest.mark.slow
def test_the_curve_of_a_stopped_seed_ends_there(page):
    page.get_by_label("Each seed").check()
    rows = numbers_of(page, "Value loss")
    assert [row["seed 1 (stopped)"] for row in rows] == ["23"] * STOP + [""] * (UPDATES - STOP)
    assert all(row["seed 0"] for row in rows)


def test_the_card_and_the_chart_agree_while_the_run_grows(browser, tmp_path):
    run = stopped_run(tmp_path, updates=20)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/stops") as page:
        page.locator('[data-metric="eval/return"] canvas').wait_for()
        page.locator('[data-tile="Evaluation"]').wait_for()
        both = """() => ["Evaluation return", "Training return"].map((title) => {
            const charts = [...document.querySelectorAll(".chart")];
            const chart = charts.find((one) => one.querySelector("h3").textContent === title);
            return chart.querySelector(".reading b").textContent;
        }).concat(["Evaluation", "Training return"].map((tile) =>
            document.querySelector(`[data-tile="${tile}"] dd`).firstChild.textContent))"""
        store = Store(run / "metrics.sqlite")
        for end in range(24, UPDATES + 1, 4):
            write_chunk(store, end)
            wanted = f"{(300 + end + 500) / 2:g}"
            seen = []

            def agree(wanted=wanted, seen=seen) -> bool:
                seen[:] = page.evaluate(both)
                assert seen[:2] == seen[2:]
                return seen[0] == wanted

            until(agree)
        store.close()
        assert seen[1] == f"{400 + UPDATES}"
        assert "1 of 2 seeds" in page.locator('[data-tile="Training return"]').inner_text()


def diverged_run(top):
    """As `stopped_run`, but the last evaluation of seed 1 is not finite."""
    run = stopped_run(top)
    with contextlib.closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        change = "UPDATE metrics SET value = NULL WHERE name = 'eval/return' AND seed = 1"
        db.execute(f"{change} AND update_ = ?", (STOP,))
    return run


def test_an_evaluation_that_is_not_finite_is_in_no_mean_of_the_list(tmp_path):
    diverged_run(tmp_path)
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
    both = [(300.0 + update + 500.0) / 2 for update in range(4, STOP, 4)]
    one = [300.0 + update for update in range(STOP, UPDATES + 1, 4)]
    assert line["sparkline"] == [*both, *one] and line["return"] == one[-1]


def test_in_the_list_a_stopped_seed_keeps_its_newest_evaluation(tmp_path):
    run = stopped_run(tmp_path, updates=0)
    rows = [Row(update, 0, "", "eval/return", 1.0) for update in range(1, 101)]
    rows += [Row(update, 1, "", "eval/return", float(update)) for update in range(1, 51)]
    store = Store(run / "metrics.sqlite")
    for update in range(1, 101):
        mine = [row for row in rows if row.update == update]
        store.write(ChunkRecord(update, update * STEPS, mine, 1.7e9, 0.25, 1e4))
    store.close()
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
    assert line["sparkline"][-1] == line["return"] == (1.0 + 50.0) / 2


@pytest.mark.slow
def test_an_evaluation_that_is_not_finite_is_in_no_mean_of_the_page(browser, tmp_path):
    diverged_run(tmp_path)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/stops") as page:
        tile = page.locator('[data-tile="Evaluation"]')
        until(lambda: f"{300 + UPDATES}" in tile.inner_text())
        assert "mean of 1 of 2 seeds" in tile.inner_text()
        means = [float(r["mean over seeds"]) for r in numbers_of(page, "Evaluation return")]
        assert means[:2] == [(300.0 + update + 500.0) / 2 for update in (4, 8)]
        assert means[2:] == [300.0 + update for update in range(STOP, UPDATES + 1, 4)]
        page.get_by_role("tab", name="Seeds").click()
        row = page.get_by_role("row", name="seed 1").locator("td")
        steps = f"{STOP * STEPS}"
        assert row.all_inner_texts() == ["–", steps, f"frozen after {steps}"]


@pytest.mark.slow
def test_the_newest_numbers_of_a_long_run_are_those_of_single_updates(browser, tmp_path):
    long_run(tmp_path)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/long/Seeds") as page:
        for seed, end in LAST_EVALUATED.items():
            row = page.get_by_role("row", name=f"seed {seed}").locator("td")
            row.first.wait_for()
            assert row.all_inner_texts()[:2] == [f"{number_at(end, seed):,.0f}", f"{end * STEPS:,}"]
        assert "3,005" in page.locator('[data-tile="Evaluation"]').inner_text()
        page.get_by_role("tab", name="Numbers").click()
        first = page.locator(".numbers tbody tr").first
        until(lambda: first.inner_text().split() == [f"{3999 * STEPS:,}", "0", "3,999", "3,999"])
        grown = [Row(4004, 0, "", name, 7.0) for name in ("eval/return", "episode/count")]
        store = Store(tmp_path / "long" / "metrics.sqlite")
        store.write(ChunkRecord(4004, 4004 * STEPS, grown, 1.7e9, 1.0, 1e4))
        store.close()
        until(lambda: first.inner_text().split() == [f"{4004 * STEPS:,}", "0", "7", "–"])


@pytest.mark.slow
def test_the_header_says_what_the_run_is(page):
    about = page.locator(".about").first
    until(lambda: "begun" in about.inner_text())
    assert about.inner_text().startswith("ppo on CartPole-v1 · 2 seeds · begun ")
    assert about.inner_text().endswith("commit abc123-dirty")
    changed = page.locator(".about code")
    until(lambda: changed.count() == 1)
    assert changed.inner_text() == "algo.gamma=0.5"
    assert changed.get_attribute("title") == "default: 0.98"


def test_settings_that_differ_are_found_without_importing_code():
    assert changed_settings(CHANGED) == [("algo.gamma", 0.5, 0.98)]
    custom = "env: CartPole-v1\nalgo: {name: 'no_such:algorithm', x: 1}"
    assert changed_settings(custom) is None  # not known, which is not "none differs"
    assert changed_settings("env: CartPole-v1\nalgo: {name: ppo}") == []
    assert changed_settings(f"env: CartPole-v1\nalgo: {{name: ppo}}\n{BOMB}") is None
    found = changed_settings("env: 'no_such:Env'\nalgo: {name: dqn, gamma: 0.9}")
    assert found is not None and found[0][:2] == ("algo.gamma", 0.9)
    assert [changed_settings(text) for text in ("{", "[]", "")] == [None] * 3
    # of another version, and with a file that is not read
    for more in ("algo: {name: ppo, gamma: 0.5, gone: 1}", f"{CHANGED}\ncurriculum: /dev/zero"):
        text = more if "env:" in more else f"env: CartPole-v1\n{more}"
        assert ("algo.gamma", 0.5, 0.98) in (changed_settings(text) or ())


def test_of_agents_what_differs_from_the_run_is_found():
    agents = [{"id": "ann"}, {"id": "bob", "gamma": 0.9}, {"id": "cat", "algo": "dqn", "tau": 0.5}]
    experiment = load_experiment("CartPole-v1", overrides={"agents": agents})
    config = as_dict(experiment)
    config["agents"]["each"].append({"id": "dan", "algo": {"name": "no_such:algorithm"}})
    found = {
        name: (value, usual) for name, value, usual in changed_settings(yaml_text(config)) or ()
    }
    assert found["agents.bob.gamma"] == (0.9, 0.98)
    assert found["agents.cat.algo"] == ("dqn", "ppo") and found["agents.cat.tau"][0] == 0.5
    assert found["agents.dan.algo"] == ("no_such:algorithm", "ppo")
    assert not any(name.startswith("agents.ann") or name == "agents.each" for name in found)
    assert "agents.cat.gamma" not in found or found["agents.cat.gamma"][0] != 0.98
    config["agents"]["each"].append("eve")
    assert changed_settings(yaml_text(config)) is None


def test_of_a_group_that_is_off_by_itself_only_what_was_written_is_found():
    curriculum = {
        "advance_when": {"metric": "episode/return", "above": 3.0},
        "stages": [{"name": "near", "params": {"random_start_share": 0.5}}, {"name": "far"}],
    }
    members = {"vary": {"algo.gamma": [0.9, 0.99]}, "population.pbt.quantile": 0.2}
    settings = {"curriculum": curriculum, "evaluation.period": 9, **members}
    experiment = load_experiment("Hamlet-L1", "dqn", overrides=settings)
    found = {name: x for name, x, _ in changed_settings(yaml_text(as_dict(experiment))) or ()}
    assert {name: x for name, x in found.items() if "curriculum" in name} == {
        "curriculum.advance_when.metric": "episode/return",
        "curriculum.advance_when.above": 3.0,
        "curriculum.stages": curriculum["stages"],
    }
    assert [name for name in found if "population" in name] == ["population.pbt.quantile"]
    assert found["evaluation.period"] == 9


def test_the_commit_of_the_current_folder_is_known(tmp_path, monkeypatch):
    assert current_commit()
    monkeypatch.chdir(tmp_path)
    assert current_commit() == ""


@pytest.mark.slow
def test_charts_are_hidden_and_shown_again_and_saved_as_images(page):
    page.get_by_role("button", name="Hide Value loss").press("Enter")
    until(lambda: page.locator('[data-metric="loss/value"]').count() == 0)
    page.get_by_role("button", name="Show 1 hidden").click()
    page.locator('[data-metric="loss/value"] canvas').wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as an image: Value loss").press("Enter")
    assert download.value.suggested_filename == "loss-value.png"
    assert download.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
def test_a_logarithmic_scale_is_for_values_above_zero(page):
    ticks = """(metric) => {
        const chart = document.querySelector(`[data-metric="${metric}"] canvas`);
        return chart.toDataURL();
    }"""
    loss, quality = (page.evaluate(ticks, m) for m in ("loss/value", "value/explained_variance"))
    page.get_by_label("Log scale").check()
    until(lambda: page.evaluate(ticks, "loss/value") != loss)
    assert page.evaluate(ticks, "value/explained_variance") == quality  # it has negative ones


def test_the_list_is_sorted_by_any_column_and_filtered_by_state(browser, tmp_path):
    for name, updates in (("b", 40), ("a", 8), ("c", 20)):
        make_run(tmp_path, name, updates=updates)
    (tmp_path / "c" / "summary.json").write_text(
        '{"stopped_by": "converged", "seeds": 2, "env_steps": 1, "eval_return": {"iqm": 5.0}}'
    )
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        names = page.locator("tbody th a")
        until(lambda: names.count() == 3)
        for column, wanted in (
            ("Run", ["a", "b", "c"]),
            ("Run", ["c", "b", "a"]),
            ("Return", ["b", "a", "c"]),
            ("Progress", ["b", "c", "a"]),
        ):
            page.get_by_role("button", name=column, exact=True).press("Enter")
            until(lambda wanted=wanted: names.all_inner_texts() == wanted)
        assert page.get_by_role("columnheader", name="Progress").get_attribute("aria-sort")
        page.get_by_label("Show runs in the state").select_option("converged")
        until(lambda: names.all_inner_texts() == ["c"])


RATES = ["algo.learning_rate=0.001", "algo.learning_rate=0.0001"]


@pytest.fixture
def population(tmp_path):
    """A run of two members of two seeds; the newest evaluations are 10 * update + seed, of which
    the highest are seeds 2 and 3."""
    return make_run(tmp_path, "population", seeds=4, first_seed=0, members=json.dumps(RATES))


def test_a_population_is_listed_with_its_members_and_the_return_of_the_best(population):
    with serving(population.parent) as served:
        (line,) = served.get("runs")
    assert (line["members"], line["seeds"]) == (2, 4)
    assert line["return"] == pytest.approx(10 * 40 + 2.5)
    assert line["sparkline"][-1] == line["return"]


def test_of_a_population_by_costs_the_lowest_is_the_best(tmp_path):
    make_run(tmp_path, "costs", seeds=4, members=json.dumps(RATES), mode="min")
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
    assert line["return"] == pytest.approx(10 * 40 + 0.5)


@pytest.mark.slow
def test_the_page_of_a_population_names_its_members_and_has_no_mean_over_them(browser, population):
    with serving(population.parent) as served, looking(browser, served.url) as page:
        page.get_by_text("ppo · 2 members with 2 seeds each").wait_for()
        page.get_by_role("link", name="population").click()
        about = page.locator(".about").first
        until(lambda: "2 members with 2 seeds each" in about.inner_text())
        tile = page.locator('[data-tile="Evaluation"]')
        until(lambda: f"2 seeds of the best member, {RATES[1]}" in tile.inner_text())
        assert "402.5" in tile.inner_text()
        rows = numbers_of(page, "Evaluation return")
        assert float(rows[-1][f"best member, {RATES[1]}"]) == 402.5
        reading = page.locator('[data-metric="eval/return"] .reading')
        until(lambda: f"best member, {RATES[1]}" in reading.inner_text())
        page.get_by_label("Each seed").check()
        assert f"seed 1, {RATES[0]}" in numbers_of(page, "Evaluation return")[0]
        page.get_by_role("tab", name="Seeds").click()
        page.get_by_role("row", name=f"seed 0, {RATES[1]}").wait_for()


# (info, evaluations) => a run whose seeds were evaluated after updates 1, 2, ...
EVALUATED = """async (info, evaluations) => {
    const { RunData } = await import("/static/run_data.js");
    const run = new RunData("run"), none = { update: [], seconds: [], speed: [], count: [] };
    const update = evaluations[0].map((_, i) => i + 1);
    const seeds = Object.fromEntries(evaluations.map((mean, seed) => [seed, { mean }]));
    const learn = evaluations.map((mean, seed) => [seed, { mean: mean.map(() => 1) }]);
    run.load({ info, cursor: update.length, first: 1, sampled: false, events: [], event: 0,
        episodes: none, clock: none, curves: { "eval/return": { update, exact: true, seeds },
            "episode/count": { update, exact: true, seeds: Object.fromEntries(learn) } } });
    return run;
}"""


@pytest.mark.slow
def test_a_member_without_a_finite_evaluation_is_never_the_best(browser, tmp_path):
    members = json.dumps(["a", "b", "c"])
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        for mode, newest, wanted in (
            ("min", [None, 7, 5], "c"),
            ("max", [None, -7, -5], "c"),
            ("min", [None, None, None], "a"),
            ("max", [[9, None], [1, 7], [9, 5]], "b"),
        ):
            values = [x if isinstance(x, list) else [x] for x in newest]
            given = [{"seeds": 3, "members": members, "mode": mode}, values]
            best = f"(given) => ({EVALUATED})(...given).then((run) => run.best.name)"
            assert page.evaluate(best, given) == wanted
