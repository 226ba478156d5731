"""A file that somebody asks for is written whole, or nothing of it is left."""

import contextlib
import os
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

import elsinore
from elsinore import cli
from elsinore.errors import ConfigError
from elsinore.runs.files.whole_file import whole_file
from elsinore.view.drawing.film import write_film
from elsinore.view.play import episodes_of


@contextlib.contextmanager
def largest_file(size: int):
    """Files of this process end at `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_to_its_end_leaves_the_one_of_before(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("before")
    text = f"{path} cannot be written: a file has reached the largest size"
    with pytest.raises(ConfigError, match=text), largest_file(1000), whole_file(path) as part:
        part.write_text("x" * 5000)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_a_device_is_written_to(tmp_path):
    link, target = tmp_path / "link.txt", tmp_path / "target.txt"
    link.symlink_to(target)
    with whole_file(link) as part:
        part.write_text("through the link")
    assert link.is_symlink() and target.read_text() == "through the link"
    full = pytest.raises(ConfigError, match="/dev/full cannot be written: the disk is full")
    with full, whole_file(Path("/dev/full")) as part:
        part.write_text("x")


@pytest.fixture(scope="module")
def episodes():
    return list(episodes_of("CartPole-v1", episodes=2))


def test_a_pipe_is_written_to_by_any_of_its_names():
    reader, writer = os.pipe()  # as of `--out /dev/stdout | ...` and `--out >(...)`
    with whole_file(Path(f"/dev/fd/{writer}")) as file:
        file.write_text("whole")
    os.close(writer)
    with open(reader) as file:
        assert file.read() == "whole"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_a_film_that_does_not_fit_on_the_disk_is_refused_and_no_part_of_it_stays(
    tmp_path, episodes, ending
):
    if ending == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / f"film.{ending}"
    with pytest.raises(ConfigError, match=f"film.{ending} cannot be written"), largest_file(2000):
        write_film(path, episodes)
    assert list(tmp_path.iterdir()) == []
    assert write_film(path, episodes) > 0
    assert list(tmp_path.iterdir()) == [path]


def test_an_encoder_that_ends_early_is_not_quoted_with_its_whole_command(
    tmp_path, episodes, monkeypatch
):
    def write_frames(*args, **options):
        yield
        raise OSError(32, "Broken pipe FFMPEG COMMAND: ffmpeg -y -f rawvideo")

    encoder = SimpleNamespace(write_frames=write_frames)
    monkeypatch.setattr("elsinore.view.drawing.film._encoder", lambda: encoder)
    with pytest.raises(ConfigError, match="x.mp4 cannot be written: ffmpeg could not complete"):
        write_film(tmp_path / "x.mp4", episodes)


def test_a_figure_that_cannot_be_written_is_refused_in_one_message(whole, tmp_path):
    run = elsinore.load(whole)
    with pytest.raises(ConfigError, match=r"x\.foo' must end in one of .*\.png"):
        run.plot(tmp_path / "x.foo")
    with pytest.raises(ConfigError, match=r"path='\.' must end in one of .*\.png"):
        run.plot(".")
    with pytest.raises(ConfigError, match=r"path='\.\.' must end in one of .*\.png"):
        run.plot("..")
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        run.plot(tmp_path / "nowhere" / "x.png")
    run.plot(tmp_path / "curves")
    run.plot(tmp_path / "curves.SVG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.SVG", "curves.png"]


def test_any_command_that_finds_the_disk_full_says_so(monkeypatch, capsys):
    def full(args):
        with open("/dev/full", "w") as file:
            file.write("x")

    monkeypatch.setattr("elsinore.cli.runs.runs_command", full)
    assert cli.main(["runs"]) == 1
    assert capsys.readouterr().err == "elsinore: the disk is full; free some space.\n"
