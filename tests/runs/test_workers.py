"""Background workers handle items in order, never block the sender, and log trouble once."""

import logging
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.runs import workers
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_workers import CURVES, IN_MEMORY, RunWorkers, _progress
from elsinore.runs.signals import Stop
from elsinore.runs.sinks.remote import RemoteSink
from elsinore.runs.store.store import Store
from elsinore.runs.workers import BackgroundWorker, sink_worker


class Quick(threading.Condition):
    """A second between two tries is a hundredth."""

    def wait_for(self, predicate, timeout=None):
        return super().wait_for(predicate, None if timeout is None else timeout / 100)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(
        workers, "threading", SimpleNamespace(Condition=Quick, Thread=threading.Thread)
    )


@pytest.fixture
def logged(caplog):
    """The log so far, as (level, text)."""
    caplog.set_level(logging.INFO, logger="elsinore")
    return lambda: [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "elsinore"]


class Failing:
    """A handler that fails the first `times` times."""

    def __init__(self, times: float):
        self.left, self.tries, self.got = times, 0, []

    def __call__(self, item):
        self.tries += 1
        if self.left > 0:
            self.left -= 1
            raise OSError("the road is\n  washed out")
        self.got.append(item)


def until(condition, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.002)


def test_items_arrive_in_order_and_all_of_them(quick):
    got = []
    worker = BackgroundWorker("post", got.append)
    for i in range(1000):
        worker.put(i)
    assert worker.finish(5.0)
    assert got == list(range(1000))


def test_a_failing_handler_is_logged_once_and_tried_until_it_works_and_then_says_so(quick, logged):
    handle = Failing(4)
    worker = BackgroundWorker("post", handle)
    worker.put("a")
    until(lambda: handle.got)
    until(lambda: len(logged()) == 2)
    assert handle.tries == 5
    (level, trouble), (_, relief) = logged()
    assert level == "WARNING"
    assert (
        trouble
        == "post failed: OSError: the road is washed out (it will be retried; training continues)"
    )
    assert relief == "post works again and is up to date"
    assert worker.finish(5.0)


def test_trouble_that_comes_back_is_logged_again(quick, logged):
    handle = Failing(1)
    worker = BackgroundWorker("post", handle)
    for item in "ab":
        worker.put(item)
        until(lambda item=item: handle.got[-1:] == [item])
        handle.left = 1
    assert worker.finish(5.0)
    assert [level for level, _ in logged()] == ["WARNING", "INFO", "WARNING", "INFO"]


def test_nothing_is_lost_or_reordered_by_failures(quick):
    got, tries = [], []

    def handle(item):
        tries.append(item)
        if len(tries) % 3:
            raise OSError("not now")
        got.append(item)

    worker = BackgroundWorker("post", handle)
    for i in range(20):
        worker.put(i)
    until(lambda: len(got) == 20, timeout=20)
    assert got == list(range(20))
    assert worker.finish(5.0)


def test_waits_between_tries_grow_up_to_a_minute(monkeypatch):
    waits = []

    class Counting(threading.Condition):
        def wait_for(self, predicate, timeout=None):
            waits.append(timeout)
            return super().wait_for(predicate, 0)

    monkeypatch.setattr(
        workers, "threading", SimpleNamespace(Condition=Counting, Thread=threading.Thread)
    )
    handle = Failing(9)
    worker = BackgroundWorker("post", handle)
    worker.put("a")
    until(lambda: handle.got)
    assert worker.finish(5.0)
    assert waits[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_opening_that_fails_is_tried_again_before_any_item(quick, logged):
    order, opening = [], Failing(3)

    def open_():
        opening("open")
        order.append("open")

    worker = BackgroundWorker("post", order.append, open=open_, close=lambda: order.append("close"))
    worker.put("a")
    until(lambda: order == ["open", "a"])
    assert worker.finish(5.0)
    assert order == ["open", "a", "close"]
    assert [level for level, _ in logged()] == ["WARNING", "INFO"]


def test_a_callback_that_raises_is_logged_once_and_misses_only_what_it_failed_at(quick, logged):
    got = []

    def callback(item):
        if item % 2:
            raise ZeroDivisionError("oops")
        got.append(item)

    worker = BackgroundWorker("callback f", callback, retry=False)
    for i in range(10):
        worker.put(i)
    assert worker.finish(5.0)
    assert got == [0, 2, 4, 6, 8]
    assert logged() == [
        ("WARNING", "callback f failed: ZeroDivisionError: oops (training continues)")
    ]


@pytest.mark.parametrize("retry", [True, False])
def test_putting_returns_at_once_though_the_handler_hangs_and_the_queue_is_full(logged, retry):
    free, busy, got = threading.Event(), threading.Event(), []

    def hang(item):
        busy.set()
        free.wait()
        got.append(item)

    worker = BackgroundWorker("post", hang, retry=retry, capacity=5)
    worker.put(0)
    assert busy.wait(5.0)
    began = time.monotonic()
    for i in range(1, 1001):
        worker.put(i)
    assert time.monotonic() - began < 1.0
    assert logged() == [("WARNING", "post has fallen 5 chunks behind; its oldest are dropped")]
    free.set()
    assert worker.finish(5.0)
    assert got == [0, *range(996, 1001)]  # what was on its way, and the newest


def test_putting_does_not_wait_for_a_handler_that_fails_again_and_again():
    worker = BackgroundWorker("post", Failing(float("inf")))
    began = time.monotonic()
    for i in range(1000):
        worker.put(i)
    assert time.monotonic() - began < 1.0
    worker.finish(5.0)


def test_finishing_leaves_a_hanging_thread_behind_in_time_and_warns(logged):
    free = threading.Event()
    worker = BackgroundWorker("post", lambda _: free.wait(), loss="a letter is missing")
    worker.put(1)
    began = time.monotonic()
    assert not worker.finish(0.2)
    assert time.monotonic() - began < 1.0
    text = "post did not finish in time and was left behind: a letter is missing"
    assert [text for _, text in logged()] == [text]
    free.set()


def test_a_thread_left_behind_does_not_keep_the_process_alive():
    free = threading.Event()
    worker = BackgroundWorker("post", lambda item: free.wait())
    worker.put(1)
    assert not worker.finish(0.1)
    assert worker._thread.is_alive() and worker._thread.daemon
    free.set()


def test_finishing_handles_what_is_left_and_closes():
    got = []
    # a rest it must not take
    worker = BackgroundWorker("post", got.append, close=lambda: got.append("closed"), every=60.0)
    worker.put(1)
    worker.put(2)
    assert worker.finish(5.0)
    assert got == [1, 2, "closed"]


def test_finishing_does_not_wait_for_one_that_never_works(logged):
    closed = []
    worker = BackgroundWorker("post", Failing(float("inf")), close=lambda: closed.append(1))
    worker.put(1)
    until(lambda: logged())
    assert worker.finish(5.0)
    assert closed == [1]
    assert len(logged()) == 1


def test_a_closing_that_fails_is_logged(logged):
    worker = BackgroundWorker("post", print, close=lambda: Failing(1)(None))
    assert worker.finish(5.0)
    assert len(logged()) == 1


def test_flushing_waits_until_all_that_was_put_is_handled():
    got = []

    def slow(item):
        time.sleep(0.01)
        got.append(item)

    worker = BackgroundWorker("post", slow)
    for i in range(10):
        worker.put(i)
    assert worker.flush(5.0)
    assert got == list(range(10))
    assert worker.finish(5.0)


def test_flushing_gives_up_when_it_takes_too_long():
    free = threading.Event()
    worker = BackgroundWorker("post", lambda _: free.wait())
    worker.put(1)
    began = time.monotonic()
    assert not worker.flush(0.1)
    assert time.monotonic() - began < 1.0
    free.set()
    assert worker.flush(5.0)
    assert worker.finish(5.0)


def test_flushing_does_not_wait_for_one_that_fails():
    handle = Failing(float("inf"))
    worker = BackgroundWorker("post", handle)
    worker.put(1)
    until(lambda: handle.tries)
    began = time.monotonic()
    assert not worker.flush(30.0)
    assert time.monotonic() - began < 2.0
    worker.finish(5.0)


def test_flushing_an_idle_worker_returns_at_once():
    worker = BackgroundWorker("post", print)
    assert worker.flush(0.0)
    assert worker.finish(5.0)


def test_a_sink_is_woken_once_for_many_chunks_and_nothing_is_logged_of_it(logged):
    visits, free, busy = [], threading.Event(), threading.Event()

    class Slow:
        name, every = "slow sink", 0.0

        def open(self):
            visits.append("open")

        def catch_up(self):
            busy.set()
            free.wait()
            visits.append("catch up")

        def close(self):
            visits.append("close")

    worker = sink_worker(Slow())
    worker.put("chunk")
    assert busy.wait(5.0)
    for _ in range(100):
        worker.put("chunk")
    free.set()
    assert worker.finish(5.0)
    assert visits == ["open", "catch up", "catch up", "close"]
    assert logged() == []


def test_a_patient_flush_waits_for_one_that_fails_and_retries_at_once():
    handle = Failing(2)
    worker = BackgroundWorker("post", handle)
    worker.put("a")
    until(lambda: handle.tries == 2)  # the next retry is two seconds away
    assert worker.flush(1.5, patient=True)
    assert handle.got == ["a"]
    assert worker.finish(5.0)


def test_flushing_a_worker_that_dropped_an_item_is_never_a_success():
    free, busy = threading.Event(), threading.Event()

    def hang(_):
        busy.set()
        free.wait()

    worker = BackgroundWorker("post", hang, capacity=2)
    for i in range(5):
        worker.put(i)
        assert busy.wait(5.0)
    free.set()
    assert not worker.flush(5.0)
    assert worker.finish(5.0)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_handler_that_exits_is_logged_and_the_next_item_is_handled(error, logged):
    got = []

    def leave(item):
        got.append(item)
        raise error(3)

    worker = BackgroundWorker("callback f", leave, retry=False)
    worker.put(1)
    worker.put(2)
    assert worker.finish(5.0)
    assert got == [1, 2]
    text = f"callback f failed: {error.__name__}: 3 (training continues)"
    assert logged() == [("WARNING", text)]


@pytest.mark.parametrize("failing", ["open", "handle", "close"])
def test_a_worker_is_done_when_everything_was_handled_and_closed(failing):
    def action(name):
        return Failing(float("inf") if name == failing else 0)

    def worker_of(action):
        handle, open_, close = action("handle"), action("open"), action("close")
        worker = BackgroundWorker(
            "post", handle, open=lambda: open_(None), close=lambda: close(None)
        )
        worker.put(1)
        return worker

    good, bad = worker_of(lambda name: Failing(0)), worker_of(action)
    assert not good.is_done
    assert good.finish(5.0) and bad.finish(5.0)
    assert good.is_done and not bad.is_done


def workers_of(
    store: BackgroundWorker, listeners: list[BackgroundWorker], sinks: list[BackgroundWorker]
) -> RunWorkers:
    return RunWorkers(
        store, listeners, sinks, cast(Any, SimpleNamespace(close=lambda seconds: None))
    )


def test_a_copy_of_the_run_is_made_after_all_that_the_other_sinks_write(tmp_path):
    written, copied = [], []

    def write(_):
        time.sleep(0.2)
        written.append("the last rows")

    sinks = [
        BackgroundWorker("lines", write),
        BackgroundWorker(RemoteSink.name, lambda _: copied.extend(written)),
    ]
    store = BackgroundWorker("store", written.append)
    workers_of(store, [], sinks).finish(RunDir(tmp_path), Stop())
    assert copied == ["the last rows"]


def test_a_sink_that_fails_at_the_end_is_left_to_sync_and_promises_no_retry(tmp_path, logged):
    def away():
        raise OSError("away")

    sinks = [BackgroundWorker("A", id), BackgroundWorker("B", id, close=away)]
    workers_of(BackgroundWorker("store", id), [], sinks).finish(RunDir(tmp_path), Stop())
    assert logged() == [
        ("WARNING", "B failed: OSError: away"),
        ("INFO", f"`elsinore sync {tmp_path}` completes B"),
    ]


def test_workers_that_hang_leave_time_for_the_copy_and_are_left_behind(tmp_path):
    free, copied, stop = threading.Event(), [], Stop()

    def hang(item):
        free.wait()

    listeners = [BackgroundWorker(f"callback {i}", hang) for i in range(2)]
    for listener in listeners:
        listener.put(1)
    sinks = [BackgroundWorker("mlflow", hang), BackgroundWorker(RemoteSink.name, copied.append)]
    workers = workers_of(BackgroundWorker("store", print), listeners, sinks)
    stop.hurry(time.monotonic() + 1.0)
    workers.finish(RunDir(tmp_path), stop)
    assert copied == [None] and stop.seconds_left > 0
    assert [worker.name for worker in workers.left_behind] == ["mlflow"]
    free.set()
    sinks[0].join()
    assert not workers.left_behind


def test_live_curves_end_before_those_of_the_end_are_drawn():
    drawn, busy = [], threading.Event()

    def draw(item):
        busy.set()
        time.sleep(0.1)
        drawn.append(item)

    curves = BackgroundWorker(CURVES, draw, retry=False, capacity=1)
    curves.put("training")
    assert busy.wait(5.0)
    workers = workers_of(BackgroundWorker("store", print), [curves], [])
    workers.finish_curves(Stop())
    assert drawn == ["training"] and curves.is_done


def test_log_and_terminal_hold_no_more_rows_than_the_store(tmp_path):
    folder = RunDir(tmp_path)
    Store(folder.database).close()
    settings = {"sinks.console": True, "sinks.curves_seconds": 0}
    plan = plan_for(load_experiment("CartPole-v1", overrides=settings))
    for worker in _progress(folder, plan):
        assert worker._capacity == IN_MEMORY["capacity"]
        assert worker._weight(SimpleNamespace(rows=[None] * 10)) == 11
        assert worker.finish(5.0)
