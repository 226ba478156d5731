"""The table of all runs."""

from rich.cells import cell_len

from elsinore.cli.runs import _say_table


def test_columns_stand_below_one_another_whatever_the_letters_of_a_name(capsys):
    names = ("走る-環境", "plain")
    _say_table([{"run": name, "state": "finished", "unread": []} for name in names], {})
    head, *lines = capsys.readouterr().out.splitlines()
    starts = {cell_len(line.partition("finished")[0]) for line in lines}
    assert starts == {head.index("state")}
