"""Actions of callbacks: stop, save, log a number, set a traced setting.

    @elsinore.acting
    def stop_early(record, history):
        if history["eval/return"][-1] > 200:
            return elsinore.Action.stop()

Each action is an event of the run (kind `action`), written with its chunk. A resumed run repeats
the events of the chunks that its callbacks have seen, and asks them about later ones only.
"""

import contextlib
import json
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elsinore.arguments import checked
from elsinore.config.load import with_settings
from elsinore.config.plan import Plan
from elsinore.config.population import is_traced, traced_names
from elsinore.errors import ConfigError
from elsinore.hyperparameters import field_of, marks_of, over_records, value_of
from elsinore.jaxtools import processes
from elsinore.runs.budgets import BUDGET, COUNT, Done, Spent
from elsinore.runs.records import ChunkRecord, Row, RunEvent
from elsinore.runs.store import ACTION, Store, refused_if_broken
from elsinore.training.turns import Turns

log = logging.getLogger("elsinore")
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
    def log(cls, name: str, value: float, seed: int | None = None) -> "Action":
        """Record a number as a metric of this chunk."""
        return cls("log", name, float(value), seed)

    @classmethod
    def set(cls, name: str, value: float, seed: int | None = None) -> "Action":
        """Give a traced setting, such as `algo.learning_rate`, another value from the next chunk
        on."""
        return cls("set", name, float(value), seed)

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


@checked
def acting(callback: Callable[[ChunkRecord, History], Any]) -> ActingCallback:
    """A callback of `train` that acts: called before the next chunk begins, it returns an `Action`,
    a list of them, or None.

    It is called with the chunk's `ChunkRecord` and with the history: the mean of each metric over
    the seeds in each chunk so far, by name. A resumed run has the history too, so a callback that
    remembers nothing itself does what it would have done. One that fails, or asks for what cannot
    be, is logged and does nothing for that chunk.
    """
    return ActingCallback(callback)


class Actors:
    """The acting callbacks of a run, and the actions that its store holds already."""

    def __init__(self, plan: Plan, callbacks: Sequence[Any], store: Store, update: int):
        """`update` is where the run begins or goes on."""
        self._plan, self.begin, self._seen_until = plan, update, update
        self._remembered = update  # up to there the history has everything
        self._callbacks = [each for each in callbacks if isinstance(each, ActingCallback)]
        self._asked_until = int(store.info().get("asked_until") or 0)
        self._taken: dict[int, list[Action]] = defaultdict(list)
        for at, text in store.actions():
            self._taken[at].append(Action(**json.loads(text)))
        chunks: dict[int, list[Row]] = defaultdict(list)
        for row in store.rows(agent="") if self._callbacks else []:
            chunks[plan.schedule.chunks_until(row.update - 1)].append(row)
        self._history: dict[str, list[float]] = defaultdict(list)
        for _, rows in sorted(chunks.items()):
            self._remember(rows)
        self._stop, self._spent = plan.experiment.stop, Spent(store)
        self._on_request = plan.experiment.evaluation.on_request
        self._counted = 0.0  # seconds of the newest chunk
        if self._asked_until and not self._asks:
            log.warning(
                "callbacks acted in this run and are not given now: their actions up to update %d"
                " are repeated, and there will be no others",
                self._asked_until,
            )

    @property
    def any(self) -> bool:
        """True if a later chunk may be acted on, so that none may be launched ahead."""
        return self._asks or any(at > self.begin for at in self._taken)

    @property
    def _asks(self) -> bool:
        limited = self._stop.episodes is not None or self._stop.seconds is not None
        return limited or self._on_request or bool(self._callbacks)

    def stop_at(self, update: int) -> str:
        """The reason for which the run ended after that update, as `reason_of` gives it."""
        return reason_to_stop(self._taken.get(update, ()))

    def passed(self, period: int | str, chunks: int) -> bool:
        """True if a period that is text has passed in the newest of so many chunks."""
        of = self._plan.schedule, self._plan.steps_per_update
        before = Done.after(max(chunks - 1, 0), *of, self._spent.before)
        return Done.after(chunks, *of, self._spent.now).passes(period, before)

    def evaluates(self, record: ChunkRecord) -> bool:
        """Decide whether there is an evaluation after a chunk, which is counted; of a chunk that
        was decided on already, as it was."""
        self._count(record)
        chunks = self._plan.schedule.chunks_until(record.update)
        if record.update > self._asked_until:
            over = chunks == self._plan.schedule.num_chunks or self._spent.reaches(self._stop)
            period = self._plan.experiment.evaluation.period
            taken = self._taken[record.update]
            if (over or self.passed(period, chunks)) and Action(EVALUATE) not in taken:
                taken.append(Action(EVALUATE))
        return self.evaluated_after(record.update)

    def evaluated_after(self, update: int) -> bool:
        """True if there is an evaluation after that update."""
        return not self._on_request or Action(EVALUATE) in self._taken.get(update, ())

    def _count(self, record: ChunkRecord) -> None:
        """Count a chunk, and the time that an evaluation after it took, once."""
        if record.update > self._seen_until:
            self._seen_until = record.update
            self._spent.add(record.rows, record.seconds)
        elif self._counted:
            self._spent.add_seconds(record.seconds - self._counted)
        self._counted = record.seconds

    def after(self, record: ChunkRecord) -> tuple[ChunkRecord, list[Action]]:
        """The record with what was logged and the events, and the actions after that chunk."""
        self._count(record)
        new, self._remembered = record.update > self._remembered, record.update
        if new:
            self._remember(record.rows)
        if self._asks and record.update > self._asked_until:
            for callback in self._callbacks:
                self._taken[record.update] += self._asked(callback, record)
            if self._spent.reaches(self._stop):
                self._taken[record.update].append(Action("stop", BUDGET))
            self._asked_until = record.update
        actions = self._taken.get(record.update, [])
        rows = [row for action in actions for row in self._logged(action, record.update)]
        if new:
            self._remember(rows)
        events = [RunEvent(record.update, ACTION, action.text) for action in actions]
        return record._replace(
            rows=record.rows + rows,
            events=(*record.events, *events),
            asked=record.update <= self._asked_until,
        ), list(actions)

    def _asked(self, callback: ActingCallback, record: ChunkRecord) -> list[Action]:
        try:
            answer = callback(record, self._history)
            actions = [answer] if isinstance(answer, Action) else list(answer or ())
            for action in actions:
                self._check(action, {row.name for row in record.rows})
        except Exception as error:  # the run is worth more than its callback
            name = getattr(callback.function, "__name__", callback.function)
            log.warning("the callback %s failed after update %d: %s", name, record.update, error)
            return []
        return actions

    def _remember(self, rows: Iterable[Row]) -> None:
        values = defaultdict(list)
        for row in rows:
            if not row.agent:
                values[row.name].append(row.value)
        for name, seen in values.items():
            self._history[name].append(float(np.mean(np.sort(seen))))  # in any order the same

    def _check(self, action: Any, measured: Iterable[str]) -> None:
        """Refuse what cannot be done."""
        if not isinstance(action, Action):
            raise ConfigError(f"{action!r} is no Action; return those, or None.")
        if action.seed is not None and action.seed not in self._seeds:
            raise ConfigError(f"seed={action.seed} is not of this run.")
        if action.act == "log":
            refuse_name(action.name, measured)
        if action.act == "set":
            refuse_untraced(self._plan, action.name, action.value)

    def _logged(self, action: Action, update: int) -> list[Row]:
        if action.act != "log" or action.value is None:
            return []
        seeds = self._seeds if action.seed is None else [action.seed]
        return [Row(update, seed, "", action.name, action.value) for seed in seeds]

    @cached_property
    def _seeds(self) -> range:
        first = self._plan.experiment.seed
        return range(first, first + self._plan.experiment.replicas)


def agreed(actions: Iterable[Action] = ()) -> list[Action]:
    """The actions of the first of several processes, in all of them."""
    found = processes.agreed([asdict(each) for each in actions], "the actions of callbacks")
    return [Action(**each) for each in found]


def reason_to_stop(actions: Iterable[Action]) -> str:
    """`callback` or `budget` for actions that end a run; empty for others."""
    return next((each.name or "callback" for each in actions if each.act == "stop"), "")


def log_into(database: Path, name: str, value: float, seed: int | None = None) -> None:
    """Add a number to the newest chunk of a store, for a seed or for all.

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
        logged = {json.loads(text).get("name") for at, text in store.actions() if at == update}
        measured = {row.name for row in store.rows(after=update - 1)} - logged
        refuse_name(name, measured)
        rows = [Row(update, s, "", name, value) for s in (seeds if seed is None else [seed])]
        store.log(rows, action.text)


def refuse_name(name: str, measured: Iterable[str]) -> None:
    """Refuse a name that training uses itself.

    Raises:
        ConfigError: with a remedy.
    """
    if not name or name in measured or name == COUNT or name.startswith(NOT_IN_EVERY_CHUNK):
        raise ConfigError(f"name={name!r} is a metric of the run itself; log under another name.")


def refuse_untraced(plan: Plan, name: str, value: float | None) -> None:
    """Refuse a setting that a compiled program cannot change.

    Raises:
        ConfigError: with the settings that can, or for a value outside the setting's domain.
    """
    known = traced_names(plan.experiment)
    if name not in known or value is None or not math.isfinite(value):
        raise ConfigError(
            f"{name}={value} cannot be set while a run trains; these can: {', '.join(known)}."
        )
    if not is_traced(name, value, plan.experiment):
        raise ConfigError(f"{name}={value} needs another program; use another value.")
    with_settings(plan.experiment, {name: value})  # within the setting's domain


def acted_on(states: Turns, actions: Sequence[Action], plan: Plan) -> Turns:
    """The states on the devices, with the settings that the actions set."""
    changes = [each for each in actions if each.act == "set"]
    if not changes:
        return states
    size = len(states[0].train.update)  # seeds of a turn

    def changed(turn: int, hyper: Any) -> Any:
        for action in changes:
            of, own = turn, slice(None)
            if action.seed is not None:
                of, own = divmod(action.seed - plan.experiment.seed, size)
            name = action.name.removeprefix("algo.")
            # of agents with another algorithm, those that have the setting
            for field in _fields(plan.experiment.algo, name):
                if of == turn and field in hyper._fields:
                    value = _with(getattr(hyper, field), own, action.value)
                    hyper = hyper._replace(**{field: value})
        return hyper

    found = []
    for turn, state in enumerate(states):
        hyper = over_records(partial(changed, turn), state.train.hyper)
        found.append(state._replace(train=state.train._replace(hyper=hyper)))
    return tuple(found)


def _fields(algo: Any, name: str) -> list[str]:
    """The fields of the hyperparameters that hold a setting, and those that have its value by
    default, such as the end of a schedule."""
    follow = [n for n, mark in marks_of(algo).items() if mark.absent == name]
    return [field_of(n) for n in (name, *(n for n in follow if value_of(algo, n) is None))]


def _with(leaf: jax.Array, own: Any, value: Any) -> jax.Array:
    numbers = np.array(processes.to_host(leaf))
    numbers[own] = value
    return processes.put(numbers, leaf.sharding)
