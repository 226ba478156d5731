"""Actions of callbacks: stop, save, log a number, set a traced setting.

    @elsinore.acting
    def stop_early(record, history):
        if max(history["eval/return"], default=0.0) > 200:
            return elsinore.Action.stop()

Each action is an event of the run (kind `action`), written with its chunk. A resumed run repeats
the events of the chunks that its callbacks have seen, and asks them about later ones only.
"""

import contextlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elsinore.arguments import checked
from elsinore.errors import ConfigError
from elsinore.jaxtools import processes
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.store.store import Store, refused_if_broken
from elsinore.validation import LONGEST_NAME, OF_SINKS, is_metric_name

# metrics of the run itself that a chunk may be without: of evaluations, and of episodes that ended
NOT_IN_EVERY_CHUNK = ("eval/", "episode/")
EVALUATE = "evaluate"  # the act of a run whose evaluations are on request
History = Mapping[str, Sequence[float]]  # by metric: its mean in each chunk so far that has it


@dataclass(frozen=True)
class Action:
    """One thing that a callback asks for; made by `stop`, `save`, `log` and `set`."""

    act: str
    name: str = ""
    value: float | None = None
    seed: int | None = None  # None: all seeds

    @classmethod
    def stop(cls) -> "Action":
        """End the run after this chunk, as finished: with a final evaluation and a summary."""
        return cls("stop")

    @classmethod
    def save(cls) -> "Action":
        """Write a checkpoint after this chunk."""
        return cls("save")

    @classmethod
    @checked
    def log(cls, name: str, value: float, seed: int | None = None) -> "Action":
        """Record a number as a metric of this chunk."""
        return cls("log", name, float(value), seed)

    @classmethod
    @checked
    def set(cls, name: str, value: float, seed: int | None = None) -> "Action":
        """Give a traced setting, such as `algo.learning_rate`, another value from the next chunk
        on."""
        return cls("set", name, float(value), seed)

    @classmethod
    def of_text(cls, text: Any) -> "Action":
        """The action that an event has as JSON.

        Raises:
            ConfigError: for a text that no run has written.
        """
        try:
            action = cls(**json.loads(text))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"metrics.sqlite has an event of an action that no run takes, {text!r}; begin a new"
                " run, from a checkpoint of this one if you like (--from; in"
                " Python, from_run)."
            ) from error
        return action

    @property
    def text(self) -> str:
        """The action as JSON, as the event has it."""
        return json.dumps({k: v for k, v in asdict(self).items() if v not in (None, "")})


class ActingCallback:
    """A callback whose actions are taken; training waits for it between two chunks."""

    def __init__(self, function: Callable[[ChunkRecord, History], Any]):
        self.function = function

    def __call__(self, record: ChunkRecord, history: History) -> Any:
        return self.function(record, history)


def check_callbacks(callbacks: Iterable[Any]) -> None:
    """Refuse a callback that cannot be called with what it is given, before a run begins.

    Raises:
        ConfigError: naming the callback and its arguments.
    """
    for callback in callbacks:
        acts = isinstance(callback, ActingCallback)
        function = callback.function if acts else callback
        given, other = ("record, history", "record") if acts else ("record", "record, history")
        try:
            # of what is called: a decorator's wrapper may give its function more
            signature = inspect.signature(function, follow_wrapped=False)
        except (TypeError, ValueError):  # a builtin may have none
            continue
        if _takes(signature, given):
            continue
        remedy = f"give it the arguments ({given})"
        if _takes(signature, other):
            remedy = "remove @elsinore.acting" if acts else "mark it with @elsinore.acting"
        name = getattr(function, "__name__", repr(function))
        raise ConfigError(
            f"callbacks: {name}{signature} is called with ({given}), which it does not take;"
            f" {remedy}."
        )


def _takes(signature: inspect.Signature, given: str) -> bool:
    try:
        signature.bind(*given.split(", "))
    except TypeError:
        return False
    return True


@checked
def acting(callback: Callable[[ChunkRecord, History], Any]) -> ActingCallback:
    """A callback of `train` that acts: called before the next chunk begins, it returns an `Action`,
    a list of them, or None.

    It is called with the chunk's `ChunkRecord` and with the history: the mean of each metric over
    the seeds in each chunk so far that has it, by name. A resumed run has the history too, so a
    callback that remembers nothing itself does what it would have done. One that fails, or asks for
    what cannot be, is logged and does nothing for that chunk; `SystemExit` is such a failure, and
    `KeyboardInterrupt` ends the training after it is saved.
    """
    return ActingCallback(callback)


def watching(callback: Callable[[ChunkRecord], Any]) -> Callable[[ChunkRecord], None]:
    """A callback of `train` that only watches, called in its own thread.

    It raises:
        ConfigError: for an action that it returns, which no run could repeat.
    """

    def watch(record: ChunkRecord) -> None:
        answer = callback(record)
        first = answer[0] if isinstance(answer, list | tuple) and answer else answer
        if isinstance(first, Action):
            raise ConfigError(
                f"it returned {first.act!r}, and only a callback made by elsinore.acting acts; put"
                " @elsinore.acting above it and let it take (record, history)."
            )

    return watch


def agreed(actions: Iterable[Action] = ()) -> list[Action]:
    """The actions of the first of several processes, in all of them."""
    found = processes.agreed([asdict(each) for each in actions], "the actions of callbacks")
    return [Action(**each) for each in found]


def reason_to_stop(actions: Iterable[Action]) -> str:
    """`callback` or `budget` for actions that end a run; empty for others."""
    return next((each.name or "callback" for each in actions if each.act == "stop"), "")


def log_into(database: Path, name: str, value: float, seed: int | None = None) -> None:
    """Add a number to the newest chunk of a store, for a seed or for all. Its other sinks have
    passed that chunk, and are to be completed again.

    Raises:
        ConfigError: for a store without a chunk, a name that training uses itself, or a seed that
            the run does not have.
    """
    action = Action.log(name, value, seed)
    with refused_if_broken(database), contextlib.closing(Store(database)) as store:
        chunks, (seeds, _) = store.chunks(), store.seeds_and_agents()
        if not chunks or (seed is not None and seed not in seeds):
            said = f"seed={seed} is not of this run" if chunks else "there is no chunk yet"
            raise ConfigError(f"{name}={value} cannot be logged: {said}.")
        update = chunks[-1][0]
        logged = {Action.of_text(text).name for at, text in store.actions() if at == update}
        measured = {row.name for row in store.rows(after=update - 1)} - logged
        refuse_name(name, measured)
        rows = [Row(update, s, "", name, value) for s in (seeds if seed is None else [seed])]
        store.log(rows, action.text)
        if "sinks_done" in store.info():
            store.describe(sinks_done="")


def refuse_name(name: str, measured: Iterable[str]) -> None:
    """Refuse what is no name of a metric, and a name that training uses itself.

    Raises:
        ConfigError: with a remedy.
    """
    if not is_metric_name(name):
        raise ConfigError(
            f"name={name[:LONGEST_NAME]!r} must be 1 to {LONGEST_NAME} printable characters,"
            " such as 'my/metric'."
        )
    if name in (*measured, *OF_SINKS) or name.startswith(NOT_IN_EVERY_CHUNK):
        raise ConfigError(f"name={name!r} is a metric of the run itself; log under another name.")
