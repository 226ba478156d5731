"""The page hears its owner's browser, and no other page that browser has open."""

import http.client
import json
import os
import re
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed, InvalidStatus

from elsinore.page import guard, server, timed_http
from elsinore.page.app import application
from elsinore.page.guard import is_known_host
from elsinore.page.server import listen
from elsinore.runs.control import ask
from tests.page.conftest import TOKEN, as_if_trained, make_run, next_message, watch

# Where it listens


def test_it_listens_to_this_machine_only():
    with listen("127.0.0.1", 0) as here:
        assert here.getsockname()[0] == "127.0.0.1"


# Host and Origin


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "",
        "127.0.0.1.nip.io",
        "[bad",
        "10.0.0.9",
        "evil.example@127.0.0.1",
        "127.0.0.1#.evil.example",
        "localhost:1/evil.example",
        "localhost?evil.example",
        "127.0.0.1\\evil.example",
        "localhost:evil",
    ],
)
def test_another_host_is_refused(served, host):
    status, _, body = served.ask("/api/runs", headers={"Host": host})
    assert status == 403 and b"is not known as" in body


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8080"])
def test_a_tunnel_may_end_at_another_port_of_this_machine(served, host):
    assert served.ask("/api/runs", headers={"Host": host})[0] == 200


def test_a_page_that_cannot_begin_leaves_no_port_open(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        server, "listen", lambda *address: opened.append(listen(*address)) or opened[0]
    )
    monkeypatch.setattr(server, "PageApi", lambda *_: pytest.fail("the current folder is gone"))
    with pytest.raises(pytest.fail.Exception):
        server.watch(None, str(tmp_path), "127.0.0.1", 0, browser=False)
    assert opened[0].fileno() == -1


@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "localhost"])
def test_what_listens_here_only_is_not_reached_by_another_address(bound):
    assert not is_known_host("192.168.1.5:80", bound)
    assert is_known_host("192.168.1.5:80", "0.0.0.0") and is_known_host("[fe80::1]:80", "::")
    assert not is_known_host("some.name:80", "0.0.0.0")


@given(st.text())
def test_no_host_whatever_breaks_the_guard(host):
    assert is_known_host(host, "127.0.0.1") in (True, False)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "https://127.0.0.1"]
)
def test_another_origin_is_refused_by_http_and_websocket(served, origin):
    assert served.ask("/api/runs", headers={"Origin": origin})[0] == 403
    with pytest.raises(InvalidStatus) as refused:
        served.live(origin=origin)
    assert refused.value.response.status_code == 403


def test_its_own_origin_is_heard(served):
    own = f"http://127.0.0.1:{served.port}"
    assert served.ask("/api/runs", headers={"Origin": own})[0] == 200
    with served.live(origin=own) as line:
        watch(line, list=True)
        assert {"one", "two", "bout/CartPole-v1/ppo"} <= {
            run["name"] for run in next_message(line, "runs")
        }


# The token


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
def test_acting_needs_the_token(served, top, token):
    """All that are POST."""
    routes = application(served.api)._app.routes
    paths = [x.path for x in routes if isinstance(x, Route) and "POST" in (x.methods or ())]
    assert {"/api/control", "/api/start", "/api/delete"} <= set(paths)
    query = {"run": "one", "command": "stop"} | ({} if token is None else {"token": token})
    with as_if_trained(top / "one") as controls:
        for path in paths:
            status, _, body = served.ask(path, "POST", {}, **query)
            assert status == 403 and b"token" in body, path
        assert controls.phase == "training"


def test_looking_does_not_and_says_who_may_control(served):
    assert served.get("session")["may_control"] is False
    assert served.get("session", token=TOKEN)["may_control"] is True


def exchanged(served, **query) -> dict[str, str]:
    """Headers of a browser that opened the page at an address with this query."""
    status, headers, _ = served.ask("/", **query)
    assert (status, headers["location"]) == (303, "./")
    return {"Cookie": headers["set-cookie"].split(";")[0]} if "set-cookie" in headers else {}


def of_page(served, **more: str) -> dict[str, str]:
    """Headers of a request from the page itself."""
    return {"Origin": f"http://127.0.0.1:{served.port}", "Sec-Fetch-Site": "same-origin"} | more


def may_control(served, headers: dict[str, str]) -> bool:
    return json.loads(served.ask("/api/session", headers=headers)[2])["may_control"]


def test_the_first_page_exchanges_the_token_for_a_cookie_that_no_script_reads(served):
    attributes = served.ask("/", token=TOKEN)[1]["set-cookie"].split("; ")[1:]
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    cookie = exchanged(served, token=TOKEN)
    assert TOKEN not in cookie["Cookie"]
    assert may_control(served, of_page(served, **cookie))
    other = {"Cookie": f"a={{}}; {cookie['Cookie']}; b=1"}
    assert may_control(served, of_page(served, **other))


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1]])
def test_a_wrong_token_or_code_is_exchanged_for_nothing(served, token):
    assert exchanged(served, token=token) == exchanged(served, code=token) == {}
    assert not may_control(served, of_page(served))


def test_a_code_is_exchanged_once_and_soon(served, monkeypatch):
    code = served.api.access.code()
    cookie = exchanged(served, code=code)
    assert may_control(served, of_page(served, **cookie))
    assert exchanged(served, code=code) == {}
    monkeypatch.setattr(guard, "CODE_SECONDS", -1.0)
    assert exchanged(served, code=served.api.access.code()) == {}


def test_the_cookie_counts_for_the_pages_own_requests_only(served, top):
    cookie = exchanged(served, token=TOKEN)
    foreign = [
        {"Origin": "http://127.0.0.1:1"},  # a page of another port, to which the cookie is sent too
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    without_origin = {name: x for name, x in of_page(served).items() if name != "Origin"}
    with as_if_trained(top / "one") as controls:
        for headers in (*(of_page(served, **x) for x in foreign), without_origin):
            answer = served.ask(
                "/api/control?run=one&command=stop", "POST", {}, headers=headers | cookie
            )
            assert answer[0] == 403 and controls.phase == "training"
        for site in ("same-site", "cross-site"):
            assert not may_control(served, {"Sec-Fetch-Site": site, **cookie})
        answer = served.ask(
            "/api/control?run=one&command=pause", "POST", {}, headers=of_page(served, **cookie)
        )
        assert answer[0] == 200 and controls.paused


def test_a_browser_is_started_with_a_code_and_never_with_the_token(tmp_path, monkeypatch, capsys):
    """The list of processes shows the arguments of a browser to everybody."""
    opened: list[str] = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    monkeypatch.setattr(server, "_has_screen", lambda: True)

    def serve(api, host, listener, announce, *_):
        listener.close()
        announce()

    monkeypatch.setattr(server, "_serve", serve)
    make_run(tmp_path, "one")
    server.watch(str(tmp_path / "one"), "runs", "127.0.0.1", 0, browser=True)
    token = re.search(r"\?token=([\w-]+)#/run/one", capsys.readouterr().out)[1]
    (url,) = opened
    assert re.search(r"/\?code=[\w-]+#/run/one$", url) and token not in url


def test_acting_is_never_a_matter_of_following_a_link(served, top):
    with as_if_trained(top / "one") as controls:
        assert served.ask("/api/control", run="one", command="stop", token=TOKEN)[0] == 405
        assert controls.phase == "training"


# Response headers


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/static/uplot/uPlot.iife.js", "/api/runs", "/nowhere"]
)
def test_every_answer_allows_nothing_but_our_own_files(served, path):
    _, headers, _ = served.ask(path)
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (
        headers["x-content-type-options"] == "nosniff"
        and headers["referrer-policy"] == "no-referrer"
    )


def test_no_file_of_the_page_names_another_place(served):
    from elsinore.page.app import STATIC

    ours = [path for path in STATIC.iterdir() if path.is_file()]  # not the folder of uPlot
    assert len(ours) > 20
    for path in ours:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name
        assert (
            "innerHTML" not in text and "insertAdjacentHTML" not in text and "eval(" not in text
        ), path.name


# Paths


@pytest.fixture(scope="module")
def secret(top, tmp_path_factory):
    """A run outside the folder, and links to it and its files from inside."""
    outside = make_run(tmp_path_factory.mktemp("secret"), "outside")
    (top / "leak").symlink_to(outside)
    for name in ("config.yaml", "metrics.sqlite", "logs"):
        inside = make_run(top, f"leaks-{name}")
        target = inside / name
        target.rename(inside / "aside")
        target.symlink_to(outside / name)


ESCAPES = [
    "../outside",
    "/etc",
    "..",
    ".",
    "",
    "one/../../x",
    "one\0",
    "a" * 5000,
    "one/checkpoints",
    "%2e%2e",
    "leak",
]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("what", ["run", "curves", "numbers", "csv", "replays", "replay"])
def test_no_name_leads_out_of_the_folder(served, secret, what, name):
    status, _, body = served.ask(f"/api/{what}", run=name)
    assert status == 404 and b"there is no run" in body


def test_links_out_of_the_folder_are_not_followed(served, secret, top):
    lines = {line["name"]: line for line in served.get("runs")}
    assert "leak" not in lines and "leaks-config.yaml" not in lines
    assert "leads out" in lines["leaks-metrics.sqlite"]["error"]
    for what, run in (
        ("curves", "leaks-metrics.sqlite"),
        ("csv", "leaks-metrics.sqlite"),
        ("run", "leaks-logs"),
    ):
        status, _, body = served.ask(f"/api/{what}", run=run)
        assert status == 404 and b"leads out of its run" in body


@pytest.mark.parametrize("replay", ["../../two/config.yaml", "/etc/passwd", "..", "", "x" * 400])
def test_no_replay_leads_out_of_its_run(served, replay):
    assert served.ask("/api/replay", run="one", replay=replay)[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/uplot/../../app.py",
        "/static//etc/passwd",
    ],
)
def test_the_pages_own_files_are_all_there_is(served, path):
    line = http.client.HTTPConnection("127.0.0.1", served.port)
    line.putrequest("GET", path, skip_host=False)
    line.endheaders()
    assert line.getresponse().status in (403, 404)
    line.close()


# Slow clients


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"POST /api/plan?token=%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        % TOKEN.encode(),
    ],
    ids=["nothing", "a header", "a body"],
)
@pytest.mark.parametrize("first", [b"", b"GET /api/session HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_request_that_does_not_arrive_in_time_is_closed(served, monkeypatch, begun, first):
    if first and not begun:
        return  # that is an idle connection
    monkeypatch.setattr(timed_http, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(first)
        assert not first or line.recv(65_536)
        time.sleep(0.1)
        line.sendall(begun)
        began = time.monotonic()
        while line.recv(65_536):  # it ends with the connection
            pass
        assert time.monotonic() - began < 4.0, "before the time for idle connections"


def test_a_socket_and_a_page_that_is_idle_outlive_the_time_of_a_request(served, monkeypatch):
    monkeypatch.setattr(timed_http, "REQUEST_SECONDS", 0.2)
    with served.live() as line:
        time.sleep(0.5)
        watch(line, {"run": "one"})
        assert next_message(line, "status")["name"] == "one"


def test_there_is_an_end_to_the_number_of_connections(served, monkeypatch):
    monkeypatch.setattr(timed_http, "MAX_CONNECTIONS", 8)
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(12)]
    try:
        assert [line for line in lines[-3:] if line.recv(1) == b""] == lines[-3:]
    finally:
        for line in lines:
            line.close()


# Messages


MALFORMED = [
    "",
    "{",
    "[]",
    "7",
    '{"watch": 1}',
    '{"watch": [{}]}',
    '{"watch": [{"run": 1}]}',
    b"\x00\xff",
    "[" * 9000,
    '{"watch": [{"run": "one", "update": 1e999}]}',
    '{"watch": [{"run": "one", "update": -9}]}',
    '{"watch": [{"run": "one", "event": NaN}]}',
    json.dumps({"watch": 17 * [{"run": "one"}]}),
    "x" * 100_000,
]


@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: str(message)[:24])
def test_what_is_no_message_closes_that_socket_only(served, message):
    with served.live() as good, served.live() as bad:
        watch(good, {"run": "one"})
        next_message(good, "status")
        bad.send(message)
        with pytest.raises(ConnectionClosed):
            while True:
                bad.recv(timeout=5)
        assert bad.close_code in (1000, 1002, 1003, 1006, 1007, 1008, 1009)
        watch(good, {"run": "two"})
        assert next_message(good, "status", "two")["name"] == "two"


def test_a_body_that_is_too_long_or_no_json_is_refused(served):
    assert served.ask("/api/plan", "POST", b"x" * 70_000, token=TOKEN)[0] == 413
    assert served.ask("/api/plan", "POST", b"{", token=TOKEN)[0] == 400
    assert served.post("plan", [1])[0] == 409


# Control


def test_an_act_reaches_the_run_and_its_answer_the_page(served, top):
    with as_if_trained(top / "two") as controls:
        status, answer = served.post("control", run="two", command="pause")
        assert status == 200 and answer["phase"] in ("pausing", "paused")
        assert controls.paused and ask(top / "two") in ("pausing", "paused")
        status, answer = served.post("control", run="two", command="explode")
        assert status == 409 and "choose one of" in answer["error"]
    status, answer = served.post("control", run="two", command="pause")
    assert (status, "is not being trained" in answer["error"]) == (409, True)


def test_a_socket_that_is_a_link_is_not_asked(served, top, tmp_path):
    elsewhere = make_run(tmp_path, "elsewhere")
    with as_if_trained(elsewhere) as controls:
        os.symlink(elsewhere / "control.sock", top / "one" / "control.sock")
        try:
            assert served.post("control", run="one", command="stop")[0] == 409
            assert controls.phase == "training"
        finally:
            (top / "one" / "control.sock").unlink()
