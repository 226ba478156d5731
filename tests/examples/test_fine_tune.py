"""The example of fine-tuning runs, and says what it saved."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "examples" / "fine_tune.py"
spec = importlib.util.spec_from_file_location("fine_tune", PATH)
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


@pytest.mark.slow
def test_a_small_one_begins_from_its_source_and_is_drawn(tmp_path, capsys):
    import elsinore

    argv = ["--seeds", "2", "--env-steps", "3072", "--runs-dir", str(tmp_path / "runs")]
    assert example.main([*argv, "--figure", str(tmp_path / "curves.png")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " seeds reach 475" in line]
    assert [line.split(" of 2")[0].rsplit(maxsplit=1)[0].strip() for line in lines] == [
        "source",
        "from scratch",
        "fine-tuned",
    ]
    start = elsinore.load(tmp_path / "runs" / "tuned").experiment.start
    assert start.run == str((tmp_path / "runs" / "source").resolve())
    assert (tmp_path / "curves.png").stat().st_size > 10_000
