"""Scenes in a terminal are readable without colours."""

import io

import numpy as np
import pytest
from rich.console import Console

from elsinore.envs.picture import picture
from elsinore.envs.scene import Bars, Circle, Figure, Grid, Line, Scene, Thing
from elsinore.view.drawing import braille, player
from elsinore.view.drawing.palette import DARK
from elsinore.view.drawing.terminal import NARROW, render
from tests.view.drawing.scenes import (
    BARS,
    CARDS,
    CHOICES,
    EVERYTHING,
    FACTS,
    FIGURE,
    GRID,
    PICTURE,
    PIXELS,
    SHADES,
    episode,
)


def lines_of(scene, width=110) -> list[str]:
    """The lines of a scene without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(scene, width))
    return console.file.getvalue().splitlines()


def text_of(*panels) -> str:
    return "\n".join(lines_of(Scene("one", panels)))


@pytest.mark.parametrize("width", [200, 110, NARROW, NARROW - 1, 80, 50])
def test_nothing_is_wider_than_the_terminal(width):
    assert max(map(len, lines_of(EVERYTHING, width))) <= width


def test_all_texts_are_there():
    text = "\n".join(lines_of(EVERYTHING))
    for words in (
        "hall of Elsinore",
        "Bed",
        "●G",
        "here",
        "brick",
        "-1 °C",
        "A♠",
        "warmth",
        "50 of 100",
        "07:00",
        "wait",
    ):
        assert words in text, words


@pytest.mark.parametrize(("count", "words"), [(1, "●A"), (2, "●A●1"), (3, "A 1 2"), (5, "●×5")])
def test_tokens_of_one_cell_are_shortened_to_its_width(count, words):
    here = tuple(
        Thing(0, 0, label, "agent", True) for label in ("agent", "1", "2", "3", "4")[:count]
    )
    assert text_of(Grid("board", 9, 1, here)).splitlines()[4].split("·")[0].strip() == words


def test_a_name_as_wide_as_its_cell_is_whole():
    town = Grid("town", 8, 1, (Thing(1, 0, "Fridge", "food"), Thing(2, 0, "Bed", "rest")))
    assert "Fridge" in "\n".join(lines_of(Scene("one", (town, FACTS)), 107))


def test_a_board_is_read_without_colours():
    lines = [line for line in lines_of(Scene("one", (GRID,))) if line.strip()]
    bed, fire = (
        next(i for i, line in enumerate(lines) if word in line) for word in ("Bed", "Fire")
    )
    assert bed < fire and lines[bed].index("Bed") < lines[fire].index("Fire")


def test_pixels_are_letters_where_there_are_no_colours():
    text = text_of(PIXELS)
    assert "b  " in text and "a  ball" in text  # the first free letter of its name
    assert text.index("b") < text.index("a ")


def test_bars_and_probabilities_are_drawn_to_their_length():
    lines = text_of(BARS, CHOICES).splitlines()
    half, low = (next(line for line in lines if name in line) for name in ("warmth", "sleep"))
    assert half.count("━") == 7 and low.startswith("▲") and "╋" in low
    wait = next(line for line in lines if "wait" in line)
    assert wait.startswith("▶") and "75 %" in wait
    assert "illegal" in text_of(CHOICES)


def test_cards_shades_and_facts_are_printed():
    text = text_of(CARDS, SHADES, FACTS)
    assert "K♥" in text and "3 °C" in text and "3 m/s" in text
    assert "┏" in text  # the marked one has a heavy frame


def test_a_picture_has_its_colours_and_is_dark_and_bright_without_them():
    photo = picture("photo", np.array([[(0, 0, 0), (255, 255, 255)]] * 2))
    (*_, first, second) = (line for line in text_of(photo).splitlines() if line.strip())
    assert first == second and first.startswith(" " * 10) and first.endswith("█" * 10)
    drawn = render(Scene("one", (PICTURE,)))
    console = Console(file=io.StringIO(), width=110, color_system="truecolor", force_terminal=True)
    console.print(drawn)
    seen = console.file.getvalue()
    assert seen.index("48;2;250;10;10m") < seen.index("48;2;10;10;250m")


def test_a_figure_is_drawn_in_dots_to_scale():
    disc = Figure("disc", 1.0, (Circle(0.5, 0.5, 0.25),))
    dots = sum(
        bin(ord(letter) - 0x2800).count("1")
        for letter in braille.render_figure(disc, DARK, 40).plain
        if ord(letter) > 0x2800
    )
    # 40 characters are 80 dots wide
    assert dots == pytest.approx(3.1416 * 0.25**2 * 80 * 80, rel=0.03)


def test_a_stroke_is_never_too_thin_to_be_seen():
    line = Figure("line", 2.0, (Line(((0.0, 0.5), (2.0, 0.5)), "ink", 1e-6),))
    lines = braille.render_figure(line, DARK, 30).plain.splitlines()
    assert any(all(ord(letter) > 0x2800 for letter in row) for row in lines)


def test_up_is_up():
    lines = braille.render_figure(
        Figure("dot", 1.0, (Circle(0.5, 0.9, 0.05),)), DARK, 20
    ).plain.splitlines()
    assert any(ord(letter) > 0x2800 for letter in lines[0] + lines[1])


def test_words_stand_where_they_belong_and_whole():
    assert any(
        "here" in line for line in braille.render_figure(FIGURE, DARK, 30).plain.splitlines()[-3:]
    )


# Playing


class Clock:
    def __init__(self):
        self.now, self.slept = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def played(monkeypatch, speed, frame_seconds=0.0, steps=20) -> tuple[list[int], Clock]:
    """The steps shown by a terminal with this time per frame, and the clock."""
    clock, shown, film = Clock(), [], episode((0,) * steps)
    monkeypatch.setattr(player, "time", clock)

    def scene(time):
        shown.append(time)
        clock.now += frame_seconds
        return Scene("frame", (Bars("none", ()),))

    monkeypatch.setattr(film, "scene", scene)
    player.show_episode(
        film, Console(file=io.StringIO(), force_terminal=True, width=80), speed=speed
    )
    return shown, clock


def test_an_episode_is_played_at_the_default_speed(monkeypatch):
    shown, clock = played(monkeypatch, speed=1)
    assert shown == list(range(21)) and clock.now == pytest.approx(2.0)  # ten steps a second


def test_twice_the_speed_takes_half_the_time(monkeypatch):
    shown, clock = played(monkeypatch, speed=2)
    assert shown == list(range(21)) and clock.now == pytest.approx(1.0)


def test_a_terminal_that_is_too_slow_skips_steps_but_not_the_last(monkeypatch):
    shown, clock = played(monkeypatch, speed=1, frame_seconds=0.35)
    assert shown[0] == 0 and shown[-1] == 20 and len(shown) < 10
    assert clock.now == pytest.approx(2.0, abs=0.8)


def test_speed_0_shows_every_step_and_waits_for_nothing(monkeypatch):
    shown, clock = played(monkeypatch, speed=0)
    assert shown == list(range(21)) and not clock.slept


def test_without_a_terminal_some_steps_are_printed(monkeypatch):
    film, shown = episode((0,) * 20), []
    monkeypatch.setattr(film, "scene", lambda time: shown.append(time) or Scene("frame", (FACTS,)))
    player.show_episode(film, Console(file=io.StringIO(), width=80), every=8)
    assert shown == [0, 8, 16, 20]


def test_step_by_step_until_the_user_quits(monkeypatch):
    console = Console(file=io.StringIO(), width=80)
    answers = iter(["", "", "q"])
    monkeypatch.setattr(console, "input", lambda prompt: next(answers))
    assert not player.step_through(episode((0,) * 9), console)
    monkeypatch.setattr(console, "input", lambda prompt: "")
    assert player.step_through(episode((0,) * 3), console)
