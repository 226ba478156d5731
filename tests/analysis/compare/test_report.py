"""A report states its conclusions and caveats, and is one self-contained file."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from elsinore.analysis.compare.api import Comparison
from elsinore.analysis.compare.caveats import caveats
from elsinore.analysis.compare.conclusions import conclusions
from elsinore.analysis.compare.document import format_number, join_names
from elsinore.analysis.compare.figures.curves import draw_sample_efficiency
from elsinore.analysis.compare.figures.profiles import draw_profiles
from elsinore.analysis.compare.figures.returns import draw_returns
from elsinore.analysis.compare.figures.style import PALETTE, RC, rendered, spread
from elsinore.analysis.compare.provenance import runs_section
from elsinore.analysis.compare.results import ExcludedRun, RunResults
from elsinore.analysis.compare.sections import document_of
from elsinore.analysis.compare.terminal import print_comparison
from elsinore.analysis.compare.write import FIGURES, write_comparison_report
from elsinore.errors import ConfigError
from tests.analysis.compare.synthetic import NAN, result, scores
from tests.page.browser import chromium, looking

RNG = np.random.default_rng(0)
AWKWARD = {
    "two environments": [
        result(label, RNG.normal(size=4), env)
        for label in "ab"
        for env in ("CartPole-v1", "Catch-bsuite")
    ],
    "one run of one seed": [result("only", [3.0])],
    "unequal seeds": [result("few", [1.0]), result("many", RNG.normal(size=7))],
    "runs without a finite return": [
        result("a", [NAN, NAN]),
        result("b", [NAN]),
        result("c", [1.0, 2.0]),
    ],
    "no evaluation while training": [result("a", [1.0, 2.0], steps=(), curve=np.zeros((0, 0)))],
    "environments that do not overlap": [
        result("a", [1.0, 2.0]),
        result("b", [1.0, 2.0], "Acrobot-v1"),
    ],
    "many labels": [result(f"{i} with a long name", RNG.normal(i, 1, size=5)) for i in range(9)],
    "markup in a label": [result("<b>|*&", [1.0, 2.0]), result("b", [1.0, 2.0])],
    "labels that matplotlib hides or reads as mathematics": [
        result("_fast", [1.0, 2.0]),
        result(r"$\frac$", [1.0, 2.0]),
    ],
}


def text_of(made) -> str:
    return " ".join([*caveats(made), *conclusions(made)])


@pytest.mark.filterwarnings("error:constrained_layout not applied")  # a title is then cut off
@pytest.mark.parametrize("results", AWKWARD.values(), ids=AWKWARD)
def test_a_report_is_written_for_awkward_results(tmp_path, results):
    write_comparison_report(
        Comparison(tmp_path / "out", RunResults(results, []), {}, {}).scores, tmp_path / "out"
    )
    html, markdown = (
        (tmp_path / "out" / name).read_text() for name in ("report.html", "report.md")
    )
    assert "Conclusions" in html and "Conclusions" in markdown
    for picture in re.findall(r"\((figures/\w+\.png)\)", markdown):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")


def test_a_report_in_the_place_of_another_leaves_none_of_its_figures(tmp_path):
    one = result("a", [1.0, 2.0])
    for found in (scores(one, result("b", [3.0, 4.0])), scores(one)):
        write_comparison_report(found, tmp_path)
    linked = re.findall(r"\((figures/\w+\.png)\)", (tmp_path / "report.md").read_text())
    assert {f"figures/{path.name}" for path in (tmp_path / "figures").iterdir()} == {*linked}


def test_a_report_is_in_utf_8_whatever_the_locale(tmp_path):
    write = f"""if True:
        from pathlib import Path
        from elsinore.analysis.compare.write import write_comparison_report
        from tests.analysis.compare.synthetic import result, scores
        write_comparison_report(scores(result("a", [1.0, 2.0])), Path({str(tmp_path)!r}))
    """
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", write]
    subprocess.run(command, env=os.environ | plain, cwd=root, check=True)
    assert "τ" in (tmp_path / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    excluded = [ExcludedRun("CartPole-v1", "late", Path("runs/late"), "being trained")]
    results = RunResults([*AWKWARD["two environments"], result("<b>|*&", [1.0, 2.0])], excluded)
    write_comparison_report(Comparison(folder, results, {}, {}).scores, folder)
    return (folder / "report.html").read_text()


def test_a_page_needs_no_network_and_runs_nothing(page):
    assert not re.search(r"<script|<link|@import|url\(|src=\"(?!data:)|href=", page)


def test_its_figures_are_inside_as_pictures_that_can_be_drawn(page):
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(found) == 5 - ("Across environments" not in page)
    for data in found:
        assert ElementTree.fromstring(b64decode(data)).tag.endswith("svg")


@pytest.mark.slow
def test_a_long_label_leaves_a_page_as_wide_as_a_phone(tmp_path):
    long = result("a_long_label_of_a_variant_that_is_one_word_of_many_letters", [1.0, 2.0])
    made = Comparison(tmp_path, RunResults([long, result("b", [1.0, 3.0])], []), {}, {}).scores
    write_comparison_report(made, tmp_path)
    phone = {"viewport": {"width": 390, "height": 800}}
    with (
        chromium() as browser,
        looking(browser, f"file://{tmp_path / 'report.html'}", **phone) as shown,
    ):
        assert shown.evaluate("document.documentElement.scrollWidth") == 390
        figure = shown.locator("img").first  # as large as on a small screen, in a strip
        assert figure.bounding_box()["width"] == 640
        paper = "getComputedStyle(document.body).backgroundColor"
        assert shown.evaluate(paper) == "rgb(255, 255, 255)"
        shade = "getComputedStyle(document.querySelector('img')).filter"
        assert shown.evaluate(shade) == "none"
        shown.emulate_media(color_scheme="dark")
        assert shown.evaluate(paper) == "rgb(16, 19, 24)"
        assert shown.evaluate(shade) == "invert(0.93) hue-rotate(180deg)"


def test_labels_are_text_and_not_markup(page):
    assert "<b>" not in page
    assert "&lt;b&gt;|*&amp;" in page


STRANGE = "x\n```\n````yaml\n</details>\n\n![p](http://host/track.png)\n<script>alert(1)</script>"


def test_the_text_of_a_config_stays_in_its_place(tmp_path):
    """Outside code blocks a reader of Markdown finds neither an image nor a tag of the text."""
    a = result(f"a {STRANGE}", [1.0, 2.0], settings={"description": STRANGE})
    b = result("b", [1.0, 2.0], settings={"description": "plain"})
    write_comparison_report(scores(a, b), tmp_path)
    outside, fence = [], ""
    for line in (tmp_path / "report.md").read_text().split("\n"):
        backticks = re.match("`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif backticks:
            fence = backticks[0]
        else:
            outside.append(line)
    text = "\n".join(outside)
    assert not fence and "track.png" in text
    assert not re.search(r"(?<!\\)<(script|/details>.*track)", text)
    assert "[p](" not in text and text.count("</details>\n") == 2


def test_an_unfinished_run_is_listed_with_its_reason(page):
    assert "being trained" in page
    assert "1 run is excluded" in page


def test_a_page_is_whole(page):
    body = page.partition("<body>")[2]
    for tag in ("section", "table", "details", "ul", "tr", "td", "h2"):
        assert body.count(f"<{tag}>") + body.count(f"<{tag} ") == body.count(f"</{tag}>")


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="elsewhere by elsinore report with --out"):
        write_comparison_report(scores(result("a", [1.0])), tmp_path / "file")


# What it says


def test_settings_that_are_shared_and_differ_are_listed():
    a, b = result("a", [1.0]), result("b", [2.0], settings={"algo": {"gamma": 0.5}})
    section = next(s for s in document_of(scores(a, b)).sections if s.title == "Settings")
    assert [list(row) for table in section.tables for row in table.rows] == [
        ["algo.gamma", "0.98", "0.5"]
    ]
    assert [title for title, _ in section.details] == [
        "config of a on CartPole-v1",
        "config of b on CartPole-v1",
    ]
    assert "gamma: 0.5" in section.details[1][1]


def of_agents(label, per_agent, agents, **settings):
    per_seed = np.mean(per_agent, axis=1)
    found = {"per_seed": per_seed.tolist(), "per_agent": per_agent}
    return result(label, per_seed, eval_return=found, settings={"agents": agents, **settings})


def test_the_returns_and_settings_of_agents_are_listed_by_their_names():
    two = of_agents("two", [[1.0, 3.0], [2.0, 4.0]], [{"id": "ann"}, {"id": "bob", "gamma": 0.5}])
    agents = [{"id": "bob"}, {"id": "cat", "algo": "dqn"}, {"id": "dan"}]
    three = of_agents("three", [[1.0, NAN, 5.0], [1.0, 2.0, 5.0]], agents)
    made = scores(two, three, result("one", [2.0, 3.0]))
    sections = {section.title: section for section in document_of(made).sections}
    (table,) = sections["Agents"].tables
    assert list(table.header) == ["agent", "two", "three"]
    assert [list(row) for row in table.rows] == [
        ["ann", "1.50 [1.00, 2.00]", "–"],
        ["bob", "3.50 [3.00, 4.00]", "1.00 [1.00, 1.00]"],
        ["cat", "–", "–"],
        ["dan", "–", "5.00 [5.00, 5.00]"],
    ]
    assert [list(row) for row in sections["Settings"].tables[0].rows] == [
        ["agents.number", "2", "3", "1"],
        ["agents.bob.gamma", "0.5", "0.98", "–"],
        ["agents.cat.name", "–", "dqn", "–"],
    ]
    text = "the algorithms do not have the same number of agents: two 2; three 3; one 1."
    assert any(text in point for point in caveats(made))


def test_a_clear_winner_is_named_and_the_rest_is_not_called_worse():
    made = scores(
        result("good", [7.0, 8, 9, 10, 11]),
        result("bad", [1.0, 2, 3, 4, 5]),
        result("near", [7.0, 8, 8.5, 10, 11]),
    )
    (said,) = conclusions(made)
    assert said.startswith("CartPole-v1: good has the highest IQM, 9.00 [")
    assert "Clearly worse: bad (beaten with probability 1.00" in said
    assert said.endswith("No clear difference between good and near.")


def test_one_that_beats_the_leader_is_named_and_not_called_undecided():
    made = scores(result("lucky", [0.0] * 65 + [100.0] * 35), result("steady", [10.0] * 100))
    (said,) = conclusions(made)
    assert said.startswith("CartPole-v1: lucky has the highest IQM, 20.00 [")
    assert "But a run of lucky is clearly beaten by one of steady with probability 0.65 [" in said
    assert made.pairs("CartPole-v1")[0].x == "steady" and "No clear difference" not in said


def test_several_that_do_not_clearly_differ_are_compared_with_the_best_and_not_with_each_other():
    returns = {"good": [7.0, 8, 9, 10, 11], "a": [7.0, 8, 8.5, 10, 11], "b": [7.0, 8, 8.6, 10, 11]}
    (said,) = conclusions(scores(*(result(*each) for each in returns.items())))
    assert said.endswith("No clear difference between good and any of a and b.")


def test_all_leaders_are_named():
    (said,) = conclusions(scores(result("a", [5.0, 5.0]), result("b", [5.0, 5.0])))
    assert said == "CartPole-v1: a and b share the highest IQM, 5.00."


def test_a_single_algorithm_is_said_to_be_the_only_one():
    assert "a is the only algorithm: IQM 5.50" in conclusions(scores(result("a", [5.0, 6.0])))[0]


@pytest.mark.parametrize(
    ("results", "caveat"),
    [
        (
            [result("a", [1.0])],
            "A single seed has no interval and proves nothing: a on CartPole-v1.",
        ),
        (
            [result("a", [1.0, NAN])],
            "a on CartPole-v1: 1 of 2 seeds has no finite return; each counts as the",
        ),
        (
            [result("a", [1.0]), result("b", [1.0, 2.0])],
            "The runs have between 1 and 2 seeds: the tables of final returns list how many",
        ),
        ([result("a", [1.0, 2.0])], "Fewer than 10 seeds make such intervals too narrow"),
        (
            [result("a", [1.0]), result("b", [1.0], settings={"env_steps": 5000})],
            (
                "CartPole-v1: the algorithms do not have the same budget: a 100,000 env steps; b"
                " 5,000 env steps."
            ),
        ),
        (
            [
                result("a", [1.0]),
                result("b", [1.0], settings={"env_params": {"max_steps_in_episode": 9}}),
            ],
            "CartPole-v1: the algorithms do not have the same environment settings",
        ),
        (
            [result("a", [1.0]), result("b", [1.0], settings={"evaluation": {"greedy": False}})],
            "same final evaluation: a 128 greedy episodes; b 128 sampled episodes.",
        ),
        (
            [
                result("a", [1.0]),
                result("b", [1.0], settings={"evaluation": {"final_episodes": 1, "max_steps": 1}}),
            ],
            "b 1 greedy episode, at most 1 step each.",
        ),
        (
            [result("a", [1.0, 2.0], converged_at_env_steps=[300, None])],
            "CartPole-v1: some seeds stopped before their budget, by convergence or on a plateau",
        ),
        (
            [result("a", [1.0, 2.0], diverged_at_env_steps=[None, 300])],
            "a on CartPole-v1: the parameters of 1 of 2 seeds became NaN or infinite",
        ),
        (
            [
                result("a", [1.0, 2.0], on_stage=True, curriculum={"last": ["slow", "own"]}),
                result("b", [1.0, 2.0]),
            ],
            (
                "the stage that it has reached; the last of each run: a slow (1 of 2 seeds) and own"
                " (1 of 2 seeds)."
            ),
        ),
        (
            [result("a", [1.0]), result("b", [1.0], versions={"jax": "2"})],
            "made with different library versions",
        ),
        (
            [result("a", [1.0]), result("b", [1.0]), result("b", [1.0], "Acrobot-v1")],
            (
                "Not every algorithm has a run on Acrobot-v1: aggregates over environments cover"
                " CartPole-v1."
            ),
        ),
    ],
)
def test_a_report_lists_its_caveats(results, caveat):
    assert caveat in text_of(scores(*results))


def test_a_seed_that_converges_at_its_last_update_has_not_stopped_before_its_budget():
    """Of whole updates, here of 100 env steps."""
    at_end = {"env_steps": 300, "converged_at_env_steps": [300, None]}
    results = [result("a", [1.0, 2.0], settings={"env_steps": 399}, **at_end)]
    assert "stopped before" not in text_of(scores(*results))


def test_a_package_that_one_run_alone_names_is_among_the_versions():
    found = scores(result("a", [1.0]), result("b", [1.0], versions={"jax": "1", "brax": "7"}))
    rows = runs_section(found).tables[-1].rows
    assert rows == [["python", "3.12, –"], ["jax", "1"], ["brax", "–, 7"]]


def test_a_fair_comparison_with_many_seeds_has_no_such_caveats():
    text = text_of(scores(result("a", RNG.normal(size=10)), result("b", RNG.normal(size=10))))
    for word in (
        "proves nothing",
        "too narrow",
        "do not have the same",
        "different stages",
        "stopped before",
        "are excluded",
    ):
        assert word not in text


# How it looks


def test_the_same_figure_gives_the_same_bytes():
    made = scores(*AWKWARD["two environments"])
    with rc_context(RC):
        first, second = (rendered(FIGURES["curves"](made), "svg") for _ in range(2))
    assert first == second


def test_labels_that_would_touch_are_moved_apart_and_the_others_stay():
    assert spread([0.0, 5.0, 9.0], gap=1.0, low=0.0, high=10.0) == [0.0, 5.0, 9.0]
    assert spread([5.0, 5.0], gap=1.0, low=0.0, high=10.0) == [4.5, 5.5]
    assert spread([9.0, 10.0, 10.0], gap=1.0, low=0.0, high=10.0) == [8.0, 9.0, 10.0]
    assert spread([0.0, 0.0, 1.0], gap=1.0, low=0.0, high=10.0) == [0.0, 1.0, 2.0]
    assert spread([0.0, 0.0, 1.0], gap=1.0, low=0.0, high=1.0) == [-1.0, 0.0, 1.0]  # no room


@pytest.mark.parametrize("seed", range(10))
def test_moved_labels_keep_their_order_and_distance(seed):
    places = np.sort(np.random.default_rng(seed).uniform(0, 10, 6))
    moved = spread(list(places), gap=1.2, low=0.0, high=10.0)
    assert (np.diff(moved) >= 1.2 - 1e-9).all()
    assert min(moved) >= 0.0 and max(moved) <= 10.0


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_labels_its_axes_and_names_its_panels(name):
    with rc_context(RC):
        figure = FIGURES[name](scores(*AWKWARD["two environments"]))
    assert isinstance(figure, Figure)
    for axis in (axis for axis in figure.axes if axis.get_visible()):
        assert axis.get_title(loc="left") and axis.get_xlabel()


def test_a_single_evaluation_is_a_dot_with_its_interval():
    once = draw_sample_efficiency(scores(result("ppo", [1.0, 2.0, 4.0], steps=(100,)))).axes[0]
    assert once.lines[0].get_marker() == "o" and not once.lines[0].get_clip_on()
    (band,) = once.collections
    assert band.get_linewidth() > 0 and not band.get_clip_on()
    more = draw_sample_efficiency(scores(result("ppo", [1.0, 2.0, 4.0]))).axes[0]
    assert more.lines[0].get_marker() in ("", "None") and more.collections[0].get_linewidth() == 0


@pytest.mark.parametrize("draw", [draw_returns, draw_profiles])
def test_an_axis_of_equal_returns_says_so_and_has_a_width(draw):
    equal = draw(scores(result("ppo", [500.0] * 4), result("dqn", [500.0] * 4))).axes[0]
    assert "every seed: 500" in [text.get_text() for text in equal.texts]
    low, high = equal.get_xlim()
    assert low < 480 and high > 520
    other = draw(scores(result("ppo", [500.0, 490.0]), result("dqn", [500.0] * 2))).axes[0]
    assert not [text for text in other.texts if "every seed" in text.get_text()]


def test_no_name_is_torn_in_a_terminal_of_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    made = scores(result("ppo", [495.0, 500.0]))
    print_comparison(Comparison(Path("report"), made.results, {}, {}))
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("Cart"))
    assert row.split()[:3] == ["CartPole-v1", "ppo", "2"]
    assert "497.5 [495.0, 500.0]" in row and "…" not in row


@pytest.mark.parametrize(
    ("settings", "budgets"),
    [
        ({"env_steps": 5000}, "a 100,000 env steps; b 5,000 env steps."),
        ({"stop": {"episodes": 20}}, "a 100,000 env steps; b 20 episodes a seed."),
        ({"stop": {"seconds": 1.5}}, "a 100,000 env steps; b 1.5 s within 100,000 env steps."),
    ],
)
def test_the_terminal_says_which_settings_differ(settings, budgets, capsys):
    made = scores(result("a", [1.0]), result("b", [1.0], settings=settings))
    print_comparison(Comparison(Path("report"), made.results, {}, {}))
    printed = " ".join(capsys.readouterr().out.split())
    assert f"CartPole-v1: the algorithms do not have the same budget: {budgets}" in printed


@pytest.mark.parametrize("length", [2, 16, 30, 60])
def test_the_legend_of_the_profiles_fits_into_the_figure(length):
    labels = [f"{i:02}".ljust(length, "m") for i in range(16)]
    with rc_context(RC):
        figure = draw_profiles(scores(*[result(label, [1.0, 2.0]) for label in labels]))
        rendered(figure, "png")  # lays it out
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        assert figure.axes[0].get_window_extent().height > 150


@pytest.mark.parametrize("count", [len(PALETTE), len(PALETTE) + 1])
def test_labels_that_share_a_colour_follow_a_piece_of_their_line(count):
    with rc_context(RC):
        figure = draw_sample_efficiency(
            scores(*[result(f"algo_{i}", [float(i)] * 2) for i in range(count)])
        )
        rendered(figure, "png")  # lays it out
    (axis,) = figure.axes
    texts = [text for text in axis.texts if text.get_text().startswith("algo_")]
    pieces = [text.arrow_patch for text in texts]
    if count == len(PALETTE):
        assert pieces == [None] * count
        return
    looks = {(piece.get_edgecolor(), str(piece.get_linestyle())) for piece in pieces}
    assert len(looks) == count
    for text, piece in zip(texts, pieces, strict=True):
        words, beside = Text.get_window_extent(text), piece.get_window_extent()
        assert axis.get_window_extent().x1 < beside.x0 < beside.x1 < words.x0
        assert words.y0 < beside.y0 <= beside.y1 < words.y1


def test_numbers_have_about_four_digits():
    texts = [format_number(x) for x in (1234.56, 12.344, -0.12345, 0.0, None, NAN)]
    assert texts == ["1,234.6", "12.34", "-0.123", "0.000", "–", "–"]
    assert [format_number(x) for x in (0.0312, -0.00042)] == ["0.0312", "-0.000420"]  # not 0
    assert [format_number(x) for x in (0.06, 0.0122, 0.13)] == ["0.0600", "0.0122", "0.130"]
    assert join_names(["a", "b", "c"]) == "a, b and c"
    assert join_names(["a"]) == "a"
