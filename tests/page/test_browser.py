"""The page as people see it: in a real browser, with a run that grows while they look."""

import csv
import io
import re
import shlex
import shutil
import threading
import time
from pathlib import Path

import pytest

from elsinore.page import series
from elsinore.page.overviews import Overviews
from elsinore.page.run_list import RunList
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.store.store import Store
from tests.page.browser import chromium, looking
from tests.page.conftest import as_if_trained, chunk_ending_at, make_run, serving
from tests.page.test_runs import HOSTILE, of_ones_own
from tests.view.drawing import scenes
from tests.view.drawing.test_multi_agent import walkers


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def points(page, metric: str = "eval/return") -> int:
    """How far a curve has grown: what its summary says it is worth at its end."""
    text = page.locator(f'[data-metric="{metric}"] .unseen').inner_text()
    return int(re.search(r": ([\d,]+)", text)[1].replace(",", ""))


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def grow(run, update: int) -> None:
    store = Store(run / "metrics.sqlite")
    store.write(chunk_ending_at(update))
    store.close()


def test_a_run_is_found_grows_is_paused_and_survives_a_lost_connection(browser, tmp_path):
    run = make_run(tmp_path, "alive", updates=8)
    make_run(tmp_path, "other", updates=12)
    with (
        serving(tmp_path) as served,
        as_if_trained(run) as controls,
        looking(browser, served.url) as page,
    ):
        page.get_by_role("link", name="alive").click()
        page.locator('[data-metric="eval/return"] canvas').wait_for()
        assert points(page) == 80
        grow(run, 12)
        until(lambda: points(page) == 120)
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("paused", exact=True).wait_for()
        assert controls.paused
        page.evaluate("elsinore.drop()")
        page.get_by_text("connection lost").wait_for()
        grow(run, 16)
        grow(run, 20)
        until(lambda: points(page) == 200)
        assert page.locator("#connection").inner_text() == "live"
        page.get_by_role("button", name="Resume").click()
        page.get_by_text("training", exact=True).wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Stop the run").click()
        until(controls.stop.is_set)


class SlowLine:
    """The WebSocket of a page: what the server sent, and what the page sends, which can be kept
    back."""

    def __init__(self, page):
        self.page, self.server = page, None
        self.came: list[str] = []
        self.kept: list[str] | None = None  # None: nothing is kept back
        page.route_web_socket("**/live?*", self._connect)

    def _connect(self, socket) -> None:
        self.server = socket.connect_to_server()
        socket.on_message(self._send)
        self.server.on_message(lambda text: (self.came.append(text), socket.send(text)))

    def _send(self, text: str) -> None:
        (self.server.send if self.kept is None else self.kept.append)(text)

    def let_go(self) -> None:
        kept, self.kept = self.kept, None
        for text in kept:
            self.server.send(text)

    def until_it_came(self, text: str) -> None:
        until(lambda: self.page.wait_for_timeout(20) or any(text in each for each in self.came))


@pytest.mark.slow
def test_what_comes_for_an_older_subscription_leaves_no_gap_and_no_double(browser, tmp_path):
    """An overview of the first eight updates arrives late, and so does the subscription after
    it."""
    run = make_run(tmp_path, "run", updates=8)
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        line = SlowLine(page)
        page.goto(f"{served.url}#/run/run")
        line.until_it_came('{"run": "run", "status"')
        line.kept, answers = [], []
        page.route("**/api/curves?*", lambda route: answers.append((route, route.fetch())))
        page.evaluate("location.hash = '#/run/run/Curves'")  # asks for an overview again
        until(lambda: page.wait_for_timeout(20) or answers)
        grow(run, 12)
        line.until_it_came("[12, 1, ")
        sent = len(line.kept)
        ((route, answer),) = answers
        route.fulfill(response=answer)
        until(lambda: page.wait_for_timeout(20) or len(line.kept) > sent)
        store = Store(run / "metrics.sqlite")
        store.add_event(16, "save", "")
        store.close()
        grow(run, 16)
        line.until_it_came("[16, 1, ")
        line.came.clear()
        line.let_go()
        line.until_it_came('{"run": "run", "updates"')
        until(lambda: points(page) == 160)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the numbers of Training return").press("Enter")
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert [int(row["steps"]) // 64 for row in rows] == list(range(1, 17))
        page.get_by_role("tab", name="Events").click()
        kinds = page.locator("#tabpanel tbody td:nth-child(3)")
        assert kinds.all_inner_texts() == ["save", "begin"]


@pytest.mark.slow
def test_a_resume_keeps_its_new_events_and_loads_curves_of_spans_again(browser, tmp_path):
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        found = page.evaluate("""async () => {
            const { RunData } = await import("/static/run_data.js");
            const overview = (exact) => ({ info: { steps_per_update: 1 }, cursor: 9, first: 1,
                sampled: false, events: [[1, 0, "begin", ""], [2, 8, "save", ""]], event: 2,
                episodes: { update: [], count: [] }, clock: { update: [], seconds: [], speed: [] },
                curves: { x: { update: [3, 6, 9], exact, seeds: { 0: { mean: [1, 2, 3] } } } } });
            const again = { events: [[3, 4, "resume", ""], [4, 7, "pause", ""]], event: 4,
                forget_after: 4, rows: [[5, 0, "x", 1.5]], clock: [] };
            return [true, false].map((exact) => {
                const run = new RunData("run");
                run.load(overview(exact));
                const reload = run.apply(again);
                return [reload, run.cursor, run.events.map((event) => event[2])];
            });
        }""")
        kept = ["begin", "resume", "pause"]
        assert found == [[False, 5, kept], [True, 5, kept]]


@pytest.mark.slow
def test_two_runs_stand_over_each_other_over_any_axis(browser, tmp_path):
    for name in ("first", "second"):
        make_run(tmp_path, name)
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.get_by_label("Compare first").check()
        page.get_by_label("Compare second").check()
        page.get_by_role("button", name="Compare 2 runs").click()
        summary = page.locator('[data-metric="episode/return"] .unseen')
        until(
            lambda: (
                "first: 90 at 2.56k steps" in summary.inner_text()
                and "second: 90" in summary.inner_text()
            )
        )
        page.get_by_label("Over").select_option("episodes")
        until(lambda: "at 80 episodes" in summary.inner_text())  # two an update, of one seed
        page.get_by_label("Over").select_option("seconds")
        # ten chunks of a quarter of a second
        until(lambda: "at 2.5 s seconds" in summary.inner_text())
        page.get_by_label("Smoothing").fill("0.9")
        until(lambda: "first: 90" not in summary.inner_text())


@pytest.mark.slow
def test_zooming_shows_a_part_and_the_whole_again(browser, tmp_path):
    make_run(tmp_path, "run", updates=400, num_updates=400)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        plot = page.locator('[data-metric="episode/return"] .u-over')
        plot.wait_for()
        box = plot.bounding_box()
        page.mouse.move(box["x"] + 50, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 50, steps=5)
        page.mouse.up()
        whole = page.get_by_role("button", name="Whole run")
        whole.wait_for()
        until(lambda: points(page, "episode/return") < 250)
        whole.click()
        until(lambda: points(page, "episode/return") == 450)


@pytest.mark.slow
@pytest.mark.slow
def test_a_page_opened_before_its_run_shows_it_and_the_next_of_its_name(browser, tmp_path):
    with (
        serving(tmp_path) as served,
        looking(browser, f"{served.url}#/run/mine") as page,
    ):
        page.get_by_text("Waiting for the run to begin.").wait_for()
        run = make_run(tmp_path, "mine", updates=8)
        until(lambda: page.locator('[data-metric="eval/return"] .unseen').count() and points(page))
        text = page.locator('[data-metric="eval/return"] .unseen')
        until(lambda: "at 512 steps" in text.inner_text())  # 8 updates of 64 env steps
        page.get_by_text("Differs from the defaults").or_(
            page.get_by_text("All settings")
        ).wait_for()
        page.get_by_text("Interrupted. Resume it with").wait_for()
        shutil.rmtree(run)
        page.get_by_text("This run is no longer here").wait_for()
        assert not page.get_by_text("Interrupted. Resume it with").count()
        assert not page.get_by_role("button", name="Continue").count()
        make_run(tmp_path, "mine", updates=4, run_id="another")
        until(lambda: "at 256 steps" in text.inner_text() and points(page) == 40)


@pytest.mark.slow
def test_the_changed_settings_of_an_ended_run_are_shown_though_they_come_last(browser, tmp_path):
    make_run(tmp_path, "run", updates=8)
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.route("**/api/run?*", lambda route: (page.wait_for_timeout(2000), route.continue_()))
        page.evaluate("location.hash = '#/run/run'")
        page.get_by_text("Differs from the defaults").or_(
            page.get_by_text("All settings")
        ).wait_for()


@pytest.mark.slow
def test_agents_are_lines_of_one_chart_each_of_which_can_be_hidden(browser, tmp_path):
    run, agents = make_run(tmp_path, "team", updates=8), [f"agent_{i}" for i in range(10)]
    with Store(run / "metrics.sqlite")._db as db:
        for i, agent in enumerate(agents):
            values = f"value + {i}, '{agent}'"
            db.execute(
                "INSERT INTO metrics (update_, seed, name, value, agent)"
                f" SELECT update_, seed, name, {values} FROM metrics WHERE agent = ''"
                " AND name IN ('eval/return', 'loss/value')"
            )
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/team") as page:
        chart = page.locator('[data-metric="eval/return of each agent"]')
        chart.wait_for()
        assert "Evaluation return of each agent" in chart.inner_text()
        assert not page.locator("details.group").filter(has=chart).count()  # which is closed
        buttons = page.locator("[data-line]")
        assert buttons.all_inner_texts() == agents  # in the order of their numbers
        drawn = [button.inner_html().split("</")[0] for button in buttons.all()]
        assert len(set(drawn)) == len(agents)  # colour and dashes
        shown = chart.locator(".unseen")
        until(lambda: "agent_0" in shown.inner_text() and "agent_9" in shown.inner_text())
        buttons.first.click()
        until(lambda: "agent_0" not in shown.inner_text())
        page.get_by_role("tab", name="Seeds").click()
        row = page.get_by_role("row", name="agent_9")
        until(lambda: row.inner_text().split() == ["agent_9", "89.5", "–"])  # of 80 and 81, and 9


@pytest.mark.slow
def test_where_no_value_is_finite_there_is_a_dash(browser, tmp_path):
    run = make_run(tmp_path, "broken", updates=8)
    store = Store(run / "metrics.sqlite")
    with store._db:
        store._db.execute("UPDATE metrics SET value = NULL WHERE name = 'loss/value'")
        store._db.execute("UPDATE metrics SET value = NULL WHERE name = 'eval/return' AND seed = 1")
    store.close()
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/broken") as page:
        text = page.locator('[data-metric="loss/value"] .unseen')
        until(lambda: text.inner_text() == "mean over seeds: no finite value")
        page.get_by_role("tab", name="Seeds").click()
        row = page.get_by_role("row", name="seed 1")
        assert row.inner_text().split()[:4] == ["seed", "1", "–", "512"]


@pytest.mark.slow
def test_a_large_part_is_zoomed_to_a_sample_and_then_to_the_whole(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(series, "QUICK_ROWS", 100)
    make_run(tmp_path, "many", updates=200)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/many") as page:
        chart = page.locator('[data-metric="eval/return"]')
        chart.locator("canvas").wait_for()
        note = page.locator(".curves > .note")
        until(lambda: "is being read" not in note.inner_text())
        parts = []
        page.on("request", lambda sent: parts.append(sent.url) if "first=" in sent.url else None)
        box = chart.locator(".u-over").bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 50, steps=5)
        page.mouse.up()
        page.get_by_role("button", name="Whole run").wait_for()
        page.get_by_text("A part of the updates is shown").wait_for()
        assert len(parts) == 1  # not one for each chart
        until(lambda: note.inner_text() == "")  # single values, all of them


@pytest.mark.slow
def test_episodes_are_no_axis_until_all_of_them_are_read(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(series, "QUICK_ROWS", 100)
    read, build = threading.Event(), Overviews._build
    monkeypatch.setattr(Overviews, "_build", lambda *given: read.wait(30) and build(*given))
    make_run(tmp_path, "many", updates=200)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/many") as page:
        page.evaluate("localStorage.setItem('curves', JSON.stringify({ axis: 'episodes' }))")
        page.reload()
        page.get_by_text("A part of the updates is shown").wait_for()
        summary, over = (
            page.locator('[data-metric="eval/return"] .unseen'),
            page.get_by_label("Over"),
        )
        until(lambda: "at 12.8k steps" in summary.inner_text())
        assert over.input_value() == "steps"
        assert over.locator("[value=episodes]").is_disabled()
        read.set()
        until(lambda: "at 400 episodes" in summary.inner_text())  # two an update, of one seed
        assert over.input_value() == "episodes"


def test_numbers_at_an_axis_are_short_and_never_read_alike(browser, tmp_path):
    cases = {
        (0, 250, 500): ["0", "250", "500"],
        (0, 20_000, 150_000): ["0", "20k", "150k"],
        (-0.005, 0, 0.0025): ["-0.005", "0", "0.0025"],
        (2e-5, 1.5e-4): ["2e-5", "1.5e-4"],
        (100_100, 100_200): ["100,100", "100,200"],
    }
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        ticks = "import('/static/format.js').then(({ ticks }) => all.map(ticks))"
        assert page.evaluate(f"all => {ticks}", [list(xs) for xs in cases]) == list(cases.values())


@pytest.mark.slow
def test_the_numbers_of_a_chart_have_every_point_where_an_x_is_there_twice(browser, tmp_path):
    """No episode ends between two updates: over episodes they have the same x."""
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        text = page.evaluate("""async () => {
            const { csvOf } = await import("/static/downloads.js");
            const lines = [{ label: "a", x: [1, 2, 2, 3], y: [10, 20, 21, 30] },
                { label: "b", x: [1, 2, 2, 3], y: [11, null, 22, 31] },
                { label: "c", x: [2, 4], y: [5, 6], low: [4, 5], high: [6, 7] }];
            return decodeURIComponent(csvOf(lines, "episodes").split(",").slice(1).join());
        }""")
        assert text.splitlines() == [
            'episodes,a,b,c,"c, low","c, high"',
            "1,10,11,,,",
            "2,20,,5,4,6",
            "2,21,22,,,",
            "3,30,31,,,",
            "4,,,6,5,7",
        ]


@pytest.mark.slow
def test_what_is_said_of_a_run_changes_when_it_ends_or_can_be_read_again(browser, tmp_path):
    run = make_run(tmp_path, "run")
    ended = '{"stopped_by": "budget", "seeds": 2, "env_steps": 1, "eval_return": {"iqm": 5.0}}'
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run/Seeds") as page:
        with as_if_trained(run):
            page.get_by_text("training", exact=True).wait_for()
            status = page.get_by_role("row", name="seed 1").locator("td").last
            until(lambda: status.inner_text() == "learning")
            (run / "summary.json").write_text("[1]")
            page.locator(".fault").get_by_text("summary.json is no mapping.").wait_for()
            (run / "summary.json").write_text(ended)
            until(lambda: page.locator(".fault").inner_text() == "")
            assert status.inner_text() == "learning"
        until(lambda: status.inner_text() == "finished")


@pytest.mark.slow
def test_names_that_hold_html_are_shown_as_text(browser, tmp_path):
    run = make_run(tmp_path, HOSTILE.replace("/", ""), env=HOSTILE, algo=HOSTILE)
    store = Store(run / "metrics.sqlite")
    with store._db:
        store._db.execute(
            "INSERT INTO metrics VALUES (8, 0, ?, ?, 1.0)", (HOSTILE, f"loss/{HOSTILE}")
        )
    store.add_event(8, HOSTILE, HOSTILE)
    store.close()
    (run / "config.yaml").write_text(HOSTILE)
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.on("dialog", lambda dialog: pytest.fail("a script ran"))
        page.get_by_role("link", name=run.name).click()
        for tab in ("Seeds", "Plan", "Events", "Numbers", "Agents", "Curves"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(200)
            assert page.locator("img").count() == 0


@pytest.mark.slow
def test_without_the_token_one_can_look_and_not_act(browser, tmp_path):
    run = make_run(tmp_path, "alive")
    with (
        serving(tmp_path) as served,
        as_if_trained(run),
        looking(browser, served.url.split("?")[0]) as page,
    ):
        assert page.get_by_role("button", name="Start a run").is_disabled()
        page.get_by_role("link", name="alive").click()
        assert page.get_by_role("button", name="Stop").is_disabled()


@pytest.mark.slow
def test_what_cannot_be_shown_is_said_on_the_page(browser, tmp_path):
    make_run(tmp_path, "newer", format=99)
    (make_run(tmp_path, "plain") / "replays").mkdir()
    (tmp_path / "plain" / "replays" / "0000000001-seed0.npz").write_bytes(b"broken")
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        assert "format 99" in page.get_by_role("row", name="newer").inner_text()
        page.get_by_role("link", name="newer").click()
        page.get_by_text("format 99").wait_for()
        for unborn in ("unborn", "100%", "%ff"):
            page.goto(f"{served.url}#/run/{unborn}")
            page.get_by_role("heading", name=unborn).wait_for()
            page.get_by_text("Waiting for the run to begin").wait_for()
            page.get_by_text(f"There is no run {unborn} here yet; here are: ").wait_for()
        page.get_by_text("plain").wait_for()
        page.goto(f"{served.url}#/run/plain")
        page.get_by_role("tab", name="Agents").click()
        page.locator(".player .note", has_text="cannot be read").wait_for()


@pytest.mark.slow
def test_a_run_that_is_killed_shows_as_interrupted_with_the_command_that_goes_on(browser, tmp_path):
    run = make_run(tmp_path, "it's alive")
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/it's%20alive") as page:
        with as_if_trained(run):
            page.get_by_text("training", exact=True).wait_for()
            assert page.locator(".remedy").inner_text() == ""
        page.get_by_text("interrupted", exact=True).wait_for()
        command = page.locator(".remedy code").inner_text()
        assert shlex.split(command) == ["elsinore", "train", "--resume", str(run)]
        option = page.locator(".remedy code span")
        for width in range(340, 460, 10):  # no line of a phone ends within it
            page.set_viewport_size({"width": width, "height": 800})
            assert option.evaluate("(span) => span.getClientRects().length") == 1
        page.get_by_role("button", name="Continue").wait_for()


def own_run(top: Path, film: episode_recording.EpisodeRecording) -> Path:
    """A run that this user made in the environment of a replay, whose code may be imported."""
    run = make_run(top, "run")
    of_ones_own(run, film.about["env"])
    return run


@pytest.mark.slow
def test_an_agent_is_seen_beside_its_earlier_self_by_one_clock(browser, tmp_path):
    """As `elsinore demo` opens it; the address holds both."""
    folder = own_run(tmp_path, scenes.replay((1, 1))) / "replays"
    for update, episodes, steps in ((0, 0, 2), (8, 40, 4)):
        film = scenes.replay((1,) * steps)
        demo = {"episodes": episodes, "lengths": [steps], "returns": [0.0]}
        replays.write(
            folder / f"{update:010d}-seed0.npz", film._replace(about=film.about | {"demo": demo})
        )
    address = "#/run/run/Agents/0000000008-seed0.npz/0000000000-seed0.npz"
    with serving(tmp_path) as served, looking(browser, served.url + address) as page:
        page.get_by_role("heading", name="after 40 episodes").wait_for()
        page.get_by_label("Step of the episode").fill("3")
        until(lambda: page.locator('[data-fact="step"]').all_inner_texts() == ["2 of 2", "3 of 4"])
        page.get_by_role("button", name="untrained").click()
        until(lambda: page.locator(".stage").count() == 1)


@pytest.mark.slow
def test_another_replay_is_chosen_while_one_plays(browser, tmp_path):
    folder = own_run(tmp_path, scenes.replay((1, 1))) / "replays"
    for update in (4, 8, 12):
        replays.write(folder / f"{update:010d}-seed0.npz", scenes.replay((1,) * 60))
    first, second, broken = (f"{update:010d}-seed0.npz" for update in (4, 8, 12))
    opened = f"#/run/run/Agents/{first}"
    with serving(tmp_path) as served, looking(browser, served.url + opened) as page:
        where, play = page.locator(".where"), page.locator("[data-command=play]")
        until(lambda: where.inner_text() not in ("", "0 / 60"))
        asked, held = [], []
        page.on("request", lambda sent: asked.append(sent.url) if "/replay?" in sent.url else None)
        for name in (second, broken):
            page.route(f"**/api/replay?*{name}*", lambda route: held.append(route))
        page.get_by_label("Replay", exact=True).select_option(broken)
        page.get_by_label("Replay", exact=True).select_option(second)
        until(lambda: page.wait_for_timeout(500) or len(held) == 2)
        assert where.inner_text().endswith(" / 60") and "-" not in where.inner_text()
        assert play.inner_text() == "Play"
        stray, wanted = held
        wanted.continue_()
        until(lambda: where.inner_text() not in ("", "0 / 60") and play.inner_text() == "Pause")
        stray.abort()
        page.wait_for_timeout(300)
        assert play.inner_text() == "Pause" and page.locator(".player .note").inner_text() == ""
        assert not any("first=-1" in url for url in asked)


@pytest.mark.slow
def test_a_replay_that_is_fetched_is_shown_before_a_newer_one(browser, tmp_path):
    """Replays may come faster than a loaded server gives their scenes."""
    folder = own_run(tmp_path, scenes.replay((1, 1))) / "replays"
    older, newer = (f"{update:010d}-seed0.npz" for update in (4, 8))
    replays.write(folder / older, scenes.replay((1,) * 60))
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        held, free = [], []
        page.route("**/api/replay?*", lambda sent: sent.continue_() if free else held.append(sent))
        page.get_by_role("tab", name="Agents").click()
        until(lambda: page.wait_for_timeout(200) or held)
        replays.write(folder / newer, scenes.replay((1,) * 60))
        choice = page.get_by_label("Replay", exact=True)
        until(lambda: page.wait_for_timeout(200) or choice.locator("option").count() == 2)
        assert len(held) == 1 and choice.input_value() == older
        listed = choice.locator("option").first.element_handle()
        with page.expect_response("**/api/replays?*"):  # of the next poll, with nothing new
            pass
        page.wait_for_timeout(300)
        assert listed.evaluate("option => option.isConnected")
        assert page.locator(".player .note").inner_text().startswith("Building the environment")
        free.append(True)
        held[0].continue_()
        until(lambda: page.locator(".where").inner_text() not in ("", "0 / 60"))
        until(lambda: choice.input_value() == newer)  # by itself, though no other one has come
        until(lambda: page.locator(".where").inner_text() not in ("", "0 / 60"))


@pytest.mark.slow
def test_the_image_of_a_library_is_shown_in_its_colours(browser, tmp_path):
    film = scenes.replay(lane=scenes.PaintedLane)
    replays.write(own_run(tmp_path, film) / "replays" / "0000000008-seed0.npz", film)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        page.get_by_role("tab", name="Agents").click()
        image = page.get_by_role("img", name="photo")
        image.wait_for()
        until(lambda: image.evaluate("x => x.complete && x.naturalWidth") == 12)
        colours = image.evaluate("""x => {
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.drawImage(x, 0, 0);
            return [0, 11].map((at) => [...canvas.getImageData(at, 7, 1, 1).data].slice(0, 3));
        }""")
        assert colours == [list(scenes.LEFT), list(scenes.RIGHT)]
        assert image.bounding_box()["width"] > 100  # drawn large, not at its 12 pixels


@pytest.mark.slow
def test_of_several_agents_one_is_chosen_to_look_at(browser, tmp_path):
    film = walkers()
    replays.write(own_run(tmp_path, film) / "replays" / "0000000008-seed0.npz", film)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        page.get_by_role("tab", name="Agents").click()
        page.get_by_text("agent_0 of 3").wait_for()
        page.get_by_label("Step of the episode").fill("4")
        page.get_by_label("Agent", exact=True).select_option("agent_2")
        page.get_by_text("agent_2 of 3").wait_for()
        assert page.locator(".where").inner_text() == "4 / 4"
        assert page.locator('[data-fact="▶ agent_2"]').inner_text() == "0, truncated at 4"


@pytest.mark.slow
def test_an_empty_folder_says_how_to_make_a_run(browser, tmp_path):
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.get_by_text("No runs here yet").wait_for()


@pytest.mark.slow
def test_no_run_is_said_to_be_missing_until_the_list_has_come(browser, tmp_path, monkeypatch):
    make_run(tmp_path, "run")
    listed, every_run = threading.Event(), RunList.all
    monkeypatch.setattr(RunList, "all", lambda self: listed.wait(30) and every_run(self))
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.get_by_text("Loading the runs").wait_for()
        page.get_by_label("Filter the runs").fill("r")
        page.get_by_text("Loading the runs").wait_for()
        listed.set()
        page.get_by_role("link", name="run", exact=True).wait_for()
        assert page.get_by_text("Loading the runs").count() == 0


@pytest.mark.slow
def test_everything_can_be_done_with_the_keyboard(browser, tmp_path):
    make_run(tmp_path, "run")
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        page.get_by_role("tab", name="Curves").focus()
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", name="Agents").get_attribute("aria-selected") == "true"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert page.get_by_role("tab", name="Numbers").get_attribute("aria-selected") == "true"
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all as CSV").press("Enter")
        assert download.value.suggested_filename == "run.csv"
        unnamed = page.evaluate(
            """[...document.querySelectorAll("button, a, input, select, [role=tab]")]
            .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label")
                || e.labels?.length)).length"""
        )
        assert unnamed == 0


@pytest.mark.slow
def test_a_page_that_is_left_open_keeps_its_curves_short(browser, tmp_path):
    run = make_run(tmp_path, "run", updates=4, num_updates=10_000)
    with serving(tmp_path) as served, looking(browser, f"{served.url}#/run/run") as page:
        page.locator('[data-metric="eval/return"] canvas').wait_for()
        store = Store(run / "metrics.sqlite")
        for update in range(8, 2400, 4):
            store.write(chunk_ending_at(update))
        store.close()
        until(lambda: points(page) >= 23960, 60)
        assert (
            page.locator('[data-metric="episode/return"] .unseen')
            .inner_text()
            .startswith("mean over seeds")
        )


def test_the_token_leaves_the_address_and_acting_goes_on(browser, tmp_path):
    run = make_run(tmp_path, "alive")
    with serving(tmp_path) as served, as_if_trained(run) as controls:
        code = f"http://127.0.0.1:{served.port}/?code={served.api.access.code()}"
        for url in (served.url, code):
            with looking(browser, f"{url}#/run/alive") as page:
                page.get_by_role("heading", name="alive").wait_for()
                assert page.url == f"http://127.0.0.1:{served.port}/#/run/alive"
                assert page.evaluate("document.cookie + history.length") == "2"
                page.reload()
                page.get_by_role("button", name="Pause").click()
                until(lambda: controls.paused)
                page.get_by_role("button", name="Resume").click()
                until(lambda: not controls.paused)


def test_what_cannot_be_shown_stands_below_the_list(browser, tmp_path):
    (make_run(tmp_path, "odd") / "summary.json").write_text("[1]")
    make_run(tmp_path, "...")
    with serving(tmp_path) as served, looking(browser, served.url) as page:
        page.get_by_text("...: its name begins with a dot; rename it.").wait_for()
        page.get_by_text("odd: summary.json is no mapping.").wait_for()
        page.get_by_role("link", name="odd").click()
        page.locator(".fault").get_by_text("summary.json is no mapping.").wait_for()
