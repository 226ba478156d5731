"""Import of logs: records, skipped lines, and refusals."""

import gzip
import struct

import pytest

from elsinore import cli
from elsinore.errors import ConfigError
from elsinore.worlds.cache.trace import load_trace, zipf_trace
from elsinore.worlds.cache.traces import import_trace, importing
from elsinore.worlds.cache.traces.importing import save_trace
from elsinore.worlds.cache.traces.simulator import oracle_general_rows

LOG = r"""
h1 - - [01/Jul/1995:00:00:01 -0400] "GET /a.gif HTTP/1.0" 200 500
h2 - - [01/Jul/1995:00:00:02 -0400] "GET /b HTTP/1.0" 200 700
not a request at all
h1 - bob [01/Jul/1995:00:00:03 -0400] "POST /a.gif HTTP/1.0" 304 -
h3 - - [01/Jul/1995:00:00:05 -0400] "GET /a.gif HTTP/1.0" 404 10
h3 - - [01/Jul/1995:00:00:07 -0400] "GET /b HTTP/1.1" 200 900 "http://x/?q=\"1\"" "Mozilla"
"""
CSV = "time,key,size,op\n0,a,5,get\n2,b,7,set\n,,,\n3,a,5,get\n"


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def general(*rows):
    return b"".join(struct.pack("<IQIq", *row) for row in rows)


def test_a_web_log_is_read_in_the_common_and_the_combined_format(file):
    found = import_trace(file("access.log", LOG))
    trace = found.trace
    assert trace.obj_id.tolist() == [0, 1, 0, 1]
    assert trace.size.tolist() == [500, 900, 500, 900]  # the largest answer is the object
    assert trace.ts.tolist() == [0, 1, 2, 6]
    assert trace.op.tolist() == [0, 0, 1, 0]
    assert trace.client.tolist() == [0, 1, 0, 2]
    assert trace.cls.tolist() == [0, 1, 0, 1]  # gif, page


def test_lines_that_are_left_out_are_counted_and_named(file):
    message = list(import_trace(file("access.log", LOG)).skipped.lines())
    assert message == [
        "1 not of the common log format (lines 4)",
        "1 answered by an error (status 400 or more) (lines 6)",
    ]
    many = list(import_trace(file("many.log", LOG + "rubbish\n" * 9)).skipped.lines())
    assert many[0] == "10 not of the common log format (lines 4, 8, 9, 10, 11, ...)"


def test_a_csv_is_read_by_the_names_of_its_columns(file):
    found = import_trace(file("trace.csv", CSV))
    assert (found.trace.obj_id.tolist(), found.trace.size.tolist()) == ([0, 1, 0], [5, 7, 5])
    assert (found.trace.ts.tolist(), found.trace.op.tolist()) == ([0, 2, 3], [0, 1, 0])
    assert list(found.skipped.lines()) == ["1 without an object (lines 4)"]


JSON = """{"Time": 0, "key": "a", "bytes": 5, "method": "GET", "user": 7, "tags": [1, {}]}

{"time": 2.0, "key": 3, "bytes": "7", "method": "PUT", "user": null}
{"time": 3, "key": " a ", "bytes": null, "method": "get", "user": 7}
{"time": 4, "key": "3", "bytes": 7}
"""


@pytest.mark.parametrize("name", ["api.jsonl", "api.NDJSON", "api.jsonl.gz"])
def test_json_lines_are_read_by_the_names_of_a_csv(file, name):
    packed = gzip.compress(JSON.encode()) if name.endswith(".gz") else JSON
    found = import_trace(file(name, packed))
    trace = found.trace
    assert (trace.obj_id.tolist(), trace.size.tolist()) == ([0, 1, 0, 1], [5, 7, 5, 7])
    assert (trace.ts.tolist(), trace.op.tolist()) == ([0, 2, 3, 4], [0, 1, 0, 0])
    assert trace.client.tolist() == [0, -1, 0, -1]
    assert not found.skipped.counts


def test_a_line_of_json_that_is_no_request_is_left_out_by_its_reason(file):
    wrong = {
        '{"key": "a"': "not a JSON object",
        "[1]": "not a JSON object",
        "[" * 100_000: "not a JSON object",
        '{"key": ' + "9" * 5000 + "}": "not a JSON object",
        '{"url": null}': "without an object",
        '{"level": "info"}': "without an object",
        '{"key": ["a"]}': "with obj that is no text or number",
        '{"key": "a", "size": true}': "with a size that is no number",
        '{"key": "a", "time": Infinity}': "with a ts that is no number",
        '{"key": "' + "a" * 200_000 + '"}': "with a column that is too long",
    }
    found = import_trace(file("t.jsonl", "\n".join([*wrong, '{"key": "b"}'])))
    assert found.trace.num_requests == 1
    lines = list(found.skipped.first.items())
    assert {n: reason for reason, numbers in lines for n in numbers} == dict(
        enumerate(wrong.values(), 1)
    )
    with pytest.raises(ConfigError, match="of weblog, csv, jsonl, oracleGeneral\\?"):
        import_trace(file("t.jsonl", LOG))


@pytest.mark.parametrize(
    ("content", "objects", "sizes", "times"),
    [
        ("obj_id,path\n1,/x\n2,/x\n1,/x\n", [0, 1, 0], [1, 1, 1], [0, 1, 2]),
        ("path,obj_id\n/x,1\n/x,2\n/x,1\n", [0, 1, 0], [1, 1, 1], [0, 1, 2]),
        ("id,url\n1,/x\n2,/x\n3,/y\n", [0, 0, 1], [1, 1, 1], [0, 1, 2]),
        ("ts,timestamp,key\n0,2020-01-01,a\n5,2020-01-02,b\n", [0, 1], [1, 1], [0, 5]),
        ("key,bytes,size\na,9,5\nb,9,7\n", [0, 1], [5, 7], [0, 1]),
    ],
)
def test_of_several_names_of_a_column_the_first_that_is_known_counts(
    file, content, objects, sizes, times
):
    trace = import_trace(file("t.csv", content)).trace
    assert (trace.obj_id.tolist(), trace.size.tolist()) == (objects, sizes)
    assert trace.ts.tolist() == times


@pytest.mark.parametrize("record", [(3, 9, 100, -1), (3, 9, 0, -1)])  # of size 0: left out
def test_no_more_requests_are_unpacked_than_fit(file, monkeypatch, record):
    zstandard = pytest.importorskip("zstandard")
    bomb = file("t.bin.zst", zstandard.ZstdCompressor().compress(100_000 * general(record)))
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(importing, "MAX_REQUESTS", 500)
    with pytest.raises(ConfigError, match="more than 500 requests, the most that are read"):
        import_trace(bomb)


@pytest.mark.parametrize("compressed", [False, True])
def test_the_binary_of_libcachesim_is_read(file, compressed):
    content, name = general((3, 9, 100, 3), (4, 8, 50, -1), (9, 9, 100, -1)), "t.oracleGeneral.bin"
    if compressed:
        zstandard = pytest.importorskip("zstandard")
        content, name = zstandard.ZstdCompressor().compress(content), name + ".zst"
    trace = import_trace(file(name, content)).trace
    assert (trace.obj_id.tolist(), trace.size.tolist(), trace.ts.tolist()) == (
        [0, 1, 0],
        [100, 50, 100],
        [0, 1, 6],
    )


def test_a_trace_survives_the_formats(file, tmp_path):
    trace = zipf_trace(2_000, 300)
    read = import_trace(file("t.bin", oracle_general_rows(trace, "bytes").tobytes())).trace
    save_trace(read, tmp_path / "t.npz")
    again = load_trace(tmp_path / "t.npz")
    assert (again.obj_id == trace.obj_id).all() and (again.size == trace.size).all()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffkey,size\na,5\nb,7\na,5\n",
        "key,size\r\na,5\r\nb,7\r\na,5\r\n",
        "key,size\ra,5\rb,7\ra,5\r",
        "key;size\na;5\nb;7\na;5\n",
        "key\tsize\na\t5\nb\t7\na\t5\n",
        '"key","size"\n"a","5"\n"b","7"\n"a","5"\n',
    ],
)
def test_a_csv_is_read_as_programs_write_it(file, content):
    trace = import_trace(file("t.csv", content)).trace
    assert (trace.obj_id.tolist(), trace.size.tolist()) == ([0, 1, 0], [5, 7, 5])


def test_a_quoted_column_may_have_line_breaks(file):
    content = 'url,"title\nof it",size\n"/a\n/b","x, ""y""\n\nz",5\n\n/c,,7\n"/a\r\n/b",w,5'
    trace = import_trace(file("t.csv", content)).trace
    assert (trace.obj_id.tolist(), trace.size.tolist()) == ([0, 1, 0], [5, 7, 5])


def test_a_line_is_numbered_by_where_its_row_begins(file):
    with pytest.raises(ConfigError, match="t.csv, line 4: size=-3 must be 1 to"):
        import_trace(file("t.csv", 'key,size\n"a\nb",5\n"c\nd",-3\n'))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('a,5\n"b,6\nc",7,8\nd,9\n', "a row with more or fewer columns than .* reaches line 4."),
        ('a,5\n"b,6\nc,7\nd,8\n', "a row whose quoted column does not end, .* reaches line 5."),
        ('a,5\n"b,6\n' + 20_000 * "cccc,7\n", "a row with a column that is too long, "),
    ],
)
def test_a_quote_that_hides_requests_is_refused_by_its_row(file, rows, reason):
    with pytest.raises(ConfigError, match=f"t.csv, line 3: {reason}.* Is a quote missing?"):
        import_trace(file("t.csv", f"key,size\n{rows}"))


def test_an_open_quote_in_the_last_line_hides_nothing(file):
    found = import_trace(file("t.csv", 'key,size\na,5\n"b,6'))
    assert list(found.skipped.lines()) == ["1 whose quoted column does not end (lines 3)"]


def test_a_log_is_read_compressed(file):
    plain = import_trace(file("access.log", LOG)).trace
    packed = import_trace(file("access.log.gz", gzip.compress(LOG.encode()))).trace
    assert (packed.obj_id == plain.obj_id).all() and (packed.ts == plain.ts).all()
    assert import_trace(file("t.csv.gz", gzip.compress(CSV.encode()))).trace.num_requests == 3


def test_the_case_of_an_ending_does_not_matter(file):
    packed = gzip.compress(CSV.encode())
    assert import_trace(file("T.CSV.GZ", packed + bytes(9))).trace.num_requests == 3
    zstandard = pytest.importorskip("zstandard")
    content = zstandard.ZstdCompressor().compress(general((3, 9, 100, -1)))
    assert import_trace(file("T.BIN.ZST", content)).trace.num_requests == 1


def test_zeros_after_a_gzip_stream_are_padding(file):
    """As gzip itself reads a file from a tape; another stream may follow."""
    packed = gzip.compress(CSV.encode())
    for padded in (packed + bytes(10_000), packed + bytes(7) + gzip.compress(b"") + bytes(1)):
        assert import_trace(file("t.csv.gz", padded)).trace.num_requests == 3
    with pytest.raises(ConfigError, match="cannot be decompressed"):
        import_trace(file("t.csv.gz", packed + bytes(7) + b"no stream"))
    with pytest.raises(ConfigError, match="cannot be decompressed"):
        import_trace(file("t.csv.gz", bytes(7) + packed))


def test_a_compressed_file_that_is_cut_off_is_refused(file):
    zstandard = pytest.importorskip("zstandard")
    content = b"".join(general((i, i * 7919 % 65_537, 100, -1)) for i in range(20_000))
    for name, packed in (
        ("t.bin.zst", zstandard.ZstdCompressor().compress(content)),
        ("t.bin.gz", gzip.compress(content)),
    ):
        assert import_trace(file(name, 2 * packed)).trace.num_requests == 40_000
        with pytest.raises(ConfigError, match=f"{name} ends before its compressed data does"):
            import_trace(file(name, packed[:-5]))


def test_what_one_line_has_wrong_does_not_stop_the_import(file):
    log = LOG.replace("200 500", "200 99999999999") + LOG.replace("200 500", f"200 {'9' * 5000}")
    reasons = list(import_trace(file("access.log", log)).skipped.lines())
    assert "1 of more than 2147483647 bytes (lines 2)" in reasons
    found = import_trace(file("t.csv", f"key,size\n{'a' * 200_000},5\nb,7\n"))
    assert list(found.skipped.lines()) == ["1 with a column that is too long (lines 2)"]


def test_an_object_that_changes_size_is_refused_unless_an_option_allows_it(file):
    path = file("t.csv", "id,size\na,5\nb,1\na,9\n")
    with pytest.raises(
        ConfigError, match=r"t.csv, line 4: size=9, but this object had 5 before. `--sizes largest`"
    ):
        import_trace(path)
    assert import_trace(path, sizes="largest").trace.size.tolist() == [9, 1, 9]
    assert import_trace(path, sizes="first").trace.size.tolist() == [5, 1, 5]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "id,size\na,5\nb,-3\n", r"t.csv, line 3: size=-3 must be 1 to"),
        ("t.csv", "when,what\n1,2\n", r"t.csv, line 1: the heading 'when,what' names no object"),
        ("t.csv", "k" * 2**18, "line 1: the heading 'kkkk.* names no object"),
        ("t.csv", "id,size\na,many\n", "holds no request .* 1 with a size that is no number"),
        ("access.log", "", "holds no request as weblog has them. It is empty"),
        (
            "access.log",
            bytes(range(256)) * 99,
            "holds no request as weblog has them.*not of the common log format",
        ),
        ("t.csv", "key,ts\na,0\nb,1e12\n", r"t.csv: ts=1000000000000.0 is more than"),
        ("t.csv", "key,ts\na,1e12\nb,0\n", r"t.csv: ts=-1000000000000.0 must be a number"),
        ("t.jsonl", '{"id": 1}\n{"id": "b", "size": -3}', r"t.jsonl, line 2: size=-3 must be 1 to"),
        ("t.jsonl", "a" * 2**20, "line 1 has more than 1,048,576 characters"),
        ("t.csv", "a" * 2**20, "line 1 has more than 1,048,576 characters"),
        ("t.bin", general((1, 2, 3, -1))[:-5], "ends 19 bytes into request 1"),
        ("t.bin", bytes(range(256)) * 3, r"t.bin, line 11: size=4294901244 must be 1 to"),
    ],
)
def test_what_is_no_trace_is_refused_by_line_or_field(file, name, content, message):
    with pytest.raises(ConfigError, match=message):
        import_trace(file(name, content))


def test_what_is_not_compressed_is_refused(file):
    pytest.importorskip("zstandard")
    with pytest.raises(ConfigError, match="cannot be decompressed"):
        import_trace(file("t.bin.zst", b"not compressed at all"))


def test_a_log_that_is_not_there_is_refused_in_one_line(capsys):
    assert cli.main(["cache", "import", "missing.log"]) == 2
    assert capsys.readouterr().err == (
        "elsinore: missing.log cannot be read: No such file or directory.\n"
    )


def test_the_command_writes_the_trace_and_says_what_it_left_out(file, capsys, tmp_path):
    assert (
        cli.main(["cache", "import", str(file("access.log", LOG)), "-o", str(tmp_path / "out.npz")])
        == 0
    )
    message = capsys.readouterr().out
    assert "4 requests of 2 objects, 1,400 distinct bytes" in message
    assert "left out: 1 not of the common log format (lines 4)" in message
    assert load_trace(tmp_path / "out.npz").num_requests == 4


@pytest.mark.parametrize(
    ("log", "npz"),
    [
        ("access.log", "access.npz"),
        ("access_log", "access_log.npz"),
        ("ACCESS.LOG", "ACCESS.npz"),
    ],
)
def test_without_a_name_the_trace_takes_the_logs_and_lies_in_this_folder(
    file, monkeypatch, tmp_path, log, npz
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["cache", "import", str(file(log, LOG))]) == 0
    assert load_trace(tmp_path / "here" / npz).num_requests == 4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--format", "xml"], "format='xml' is unknown"),
        (["--sizes", "any"], "sizes='any' is unknown"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(file, capsys, tmp_path, option, message):
    argv = [
        "cache",
        "import",
        str(file("access.log", LOG)),
        "-o",
        str(tmp_path / "out.npz"),
        *option,
    ]
    assert cli.main(argv) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()
