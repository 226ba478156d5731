"""Scenes as images have the right colours in the right places."""

import weakref

import numpy as np
import pytest
from PIL import Image

from elsinore.envs.picture import image_of, picture
from elsinore.envs.scene import ROLES, Bar, Bars, Card, Cards, Scene
from elsinore.errors import ConfigError
from elsinore.view.drawing import film
from elsinore.view.drawing.film import paced, write_film
from elsinore.view.drawing.image import WORLD_WIDTH, draw_scene, image_size
from elsinore.view.drawing.palette import DARK, HUES, LIGHT, mixed, on, rgb
from elsinore.view.drawing.world_panels import cards_height
from elsinore.worlds.balatro.view import SUIT_ROLES
from tests.view.drawing.scenes import (
    BARS,
    CHOICES,
    EVERYTHING,
    FIGURE,
    GRID,
    LEFT,
    PICTURE,
    PIXELS,
    RIGHT,
    episode,
)


def near(image: Image.Image, colour: str) -> np.ndarray:
    """Where the image has that colour, [height, width]."""
    return (abs(np.asarray(image).astype(int) - rgb(colour)).max(axis=-1)) <= 6


def middle(where: np.ndarray) -> tuple[float, float]:
    """Of the pixels there: x and y."""
    y, x = np.nonzero(where)
    return float(x.mean()), float(y.mean())


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_everything_can_be_drawn_on_dark_and_on_light(palette):
    image = draw_scene(EVERYTHING, palette)
    assert image.mode == "RGB" and image.size == image_size([EVERYTHING])
    assert near(image, palette.background).mean() > 0.3
    assert near(image, palette.of("ink")).any()


def test_every_panel_leaves_a_mark():
    for panel in EVERYTHING.panels:
        scene = Scene("one", (panel,))
        image, empty = draw_scene(scene), draw_scene(Scene("one", ()), size=image_size([scene]))
        assert (np.asarray(image) != np.asarray(empty)).any(axis=-1).mean() > 0.005, panel.title


def test_things_on_a_board_are_where_they_are():
    image = draw_scene(Scene("board", (GRID,)))
    bed, fire, guard = (middle(near(image, DARK.of(role))) for role in ("rest", "danger", "agent"))
    assert bed[0] < fire[0] and bed[1] < fire[1]
    assert np.hypot(guard[0] - fire[0], guard[1] - fire[1]) < 20  # it stands on the fire


def test_shapes_of_a_figure_are_to_scale_and_up_is_up():
    image = draw_scene(Scene("sketch", (FIGURE,)))
    box, ball = near(image, DARK.of("food")), near(image, DARK.of("goal"))
    (box_x, box_y), (ball_x, ball_y) = middle(box), middle(ball)
    assert box_x < ball_x and ball_y < box_y
    assert ball.sum() / box.sum() == pytest.approx(np.pi * 0.2**2 / 0.4**2, rel=0.05)


def test_a_bar_is_as_long_as_its_value():
    def filled(value):
        image = draw_scene(Scene("one", (Bars("b", (Bar("x", value, "", "food"),)),)))
        return near(image, DARK.of("food")).sum()

    assert filled(0.5) == pytest.approx(filled(1.0) / 2, rel=0.05)
    assert filled(0.0) == 0


def test_danger_has_its_colour_and_a_word():
    image = draw_scene(Scene("needs", (BARS,)))
    assert near(image, DARK.of("danger")).any()
    safe = draw_scene(Scene("needs", (Bars("needs", BARS.bars[:1]),)))
    assert not near(safe, DARK.of("danger")).any()


def test_the_chosen_action_is_marked():
    assert near(draw_scene(Scene("choice", (CHOICES,))), DARK.of("agent")).any()


def test_pixels_have_the_colours_of_their_keys():
    image = draw_scene(Scene("cells", (PIXELS,)))
    brick, ball = (middle(near(image, DARK.of(key.role))) for key in PIXELS.keys)
    assert brick[0] < ball[0] and brick[1] < ball[1]


def test_a_picture_keeps_its_colours_and_the_edges_of_its_pixels():
    image = draw_scene(Scene("photo", (PICTURE,)))
    drawn = np.asarray(image).reshape(-1, 3)
    left, right = (middle(near(image, "#{:02x}{:02x}{:02x}".format(*x))) for x in (LEFT, RIGHT))
    assert left[0] < right[0] and left[1] == right[1]
    mixed = (np.abs(drawn.astype(int) - (130, 10, 130)).max(axis=1) < 60).mean()
    assert mixed < 0.01


def test_large_pictures_are_made_smaller_and_their_fourth_channel_left_out():
    photo = picture("photo", np.full((1000, 500, 4), 7))
    assert (photo.width, photo.height) == (200, 400)
    assert np.asarray(image_of(photo)).shape == (400, 200, 3)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1)])
def test_pictures_of_greys_are_grey(shape):
    """Of two axes, the columns were taken for channels."""
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    shown = np.asarray(image_of(picture("greys", grey.reshape(shape))))
    np.testing.assert_array_equal(shown, np.stack([grey] * 3, -1))


def test_films_need_even_sizes_that_hold_every_scene():
    small, large = Scene("one", (BARS,)), EVERYTHING
    width, height = image_size([small, large])
    assert width % 2 == height % 2 == 0
    assert height == image_size([large])[1] > image_size([small])[1]


def test_a_narrow_scene_is_as_wide_as_its_title():
    title = "GaussianBandit-misc · ppo · seed 0 · after 1,000,000 env steps"
    width, height = image_size([Scene("one", (BARS,)), Scene(title, (BARS,))])
    widest = image_size([Scene("x" * 200, (BARS,))])[0]
    assert image_size([Scene("one", (BARS,))])[0] < width < widest == image_size([EVERYTHING])[0]
    shown, with_room = (
        np.asarray(draw_scene(Scene(title, (BARS,)), size=(x, height)))[:60, :width]
        for x in (width, 2 * width)
    )
    assert (shown == with_room).all()  # nothing is cut


# Colours


def test_every_role_has_a_colour_on_dark_and_on_light():
    for palette in (DARK, LIGHT):
        assert set(palette.roles) == set(ROLES)


def test_colours_stand_out_from_their_background():
    def luminance(colour):
        linear = [
            (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4)
            for c in rgb(colour)
        ]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for palette in (DARK, LIGHT):
        for role in HUES:
            pair = sorted([luminance(palette.of(role)), luminance(palette.background)])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) > 2.0, role  # WCAG's measure of contrast
    # suits of cards are names in these colours, on a panel
    for role in SUIT_ROLES:
        dark, light = luminance(DARK.panel), luminance(DARK.of(role))
        assert (light + 0.05) / (dark + 0.05) > 4.0, role


def test_letters_on_a_colour_are_black_or_white_whichever_is_read_better():
    assert (
        on("#ffffff") == "#000000"
        and on("#000000") == "#ffffff"
        and on(DARK.of("goal")) == "#000000"
    )


def test_mixed_colours_lie_between():
    assert mixed("#000000", "#ffffff", 0.0) == "#000000"
    assert mixed("#000000", "#ffffff", 1.0) == "#ffffff"
    assert mixed("#000000", "#204060", 0.5) == "#102030"


# Films


def test_a_gif_shows_every_step_at_the_default_speed(tmp_path):
    played = episode((1, 0, 1))
    frames = write_film(tmp_path / "x.gif", [played])
    with Image.open(tmp_path / "x.gif") as gif:
        assert gif.size == image_size([played.scene(t) for t in range(4)])
        assert frames == gif.n_frames == 4  # the last stays
        duration = 0
        for i in range(gif.n_frames):
            gif.seek(i)
            duration += gif.info["duration"]
    assert duration == pytest.approx(1000 * (0.4 + film.HELD), abs=50)  # ten steps a second


def test_a_gif_is_drawn_a_frame_at_a_time(tmp_path, monkeypatch):
    images, alive = [], []

    def drawn(*args, **kwargs):
        images.append(weakref.ref(image := draw_scene(*args, **kwargs)))
        alive.append(sum(image() is not None for image in images))
        return image

    monkeypatch.setattr(film, "draw_scene", drawn)
    assert write_film(tmp_path / "x.gif", [episode((0,) * 59 + (1,))]) == 61
    assert max(alive) < 16  # some for the palette, and one or two that are written


@pytest.mark.parametrize("speed, shown", [(1, 101), (2, 101), (8, 26), (80, 4)])
def test_a_fast_film_leaves_steps_out_but_not_the_last(speed, shown):
    played = episode((0,) * 99 + (1,))
    fps, scenes = paced([played], speed, 20.0)
    assert fps <= 20.0 and fps == pytest.approx(10 * speed / max(1, np.ceil(10 * speed / 20)))
    assert len(scenes) == shown + round(film.HELD * fps)
    assert scenes[-1] == played.scene(100)


@pytest.mark.filterwarnings("ignore:os.fork")
def test_an_mp4_plays(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    write_film(tmp_path / "x.mp4", [episode((1, 1))])
    frames = ffmpeg.read_frames(str(tmp_path / "x.mp4"))
    info = next(frames)
    frames.close()
    assert info["size"] == image_size([episode((1, 1)).scene(0)]) and info["fps"] == pytest.approx(
        10
    )


def test_an_mp4_without_its_extra_says_which(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install 'elsinore\[video\]', or write a .gif"):
        write_film(tmp_path / "x.mp4", [episode()])


@pytest.mark.parametrize(
    "name, message", [("x.avi", "x.avi ends in neither"), ("none/x.gif", "there is no folder")]
)
def test_a_film_that_cannot_be_written_is_refused(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        write_film(tmp_path / name, [episode()])


def test_five_cards_with_names_stand_in_one_row_and_the_names_have_room():
    named = [Card(f"Joker number {i}", "$2") for i in range(5)]
    assert cards_height(Cards("jokers", tuple(named)), WORLD_WIDTH) == cards_height(
        Cards("jokers", (named[0],)), WORLD_WIDTH
    )
    ranks = tuple(Card("10♠") for _ in range(8))
    assert cards_height(Cards("hand", ranks), WORLD_WIDTH) == cards_height(
        Cards("hand", ranks[:1]), WORLD_WIDTH
    )
