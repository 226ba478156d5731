"""The actions of a run while it trains: those that its store holds already, and those that its
callbacks, its budget and its evaluations ask for after each chunk."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from elsinore.config.plan import Plan
from elsinore.errors import ConfigError, reason_of, span
from elsinore.runs.actions import EVALUATE, ActingCallback, Action, reason_to_stop, refuse_name
from elsinore.runs.budgets import BUDGET, Done, Spent
from elsinore.runs.records import ChunkRecord, Row, RunEvent
from elsinore.runs.store.store import ACTION, Store
from elsinore.runs.traced_settings import refuse_untraced

log = logging.getLogger("elsinore")


class RunActions:
    """The acting callbacks of a run, and the actions that its store holds already."""

    def __init__(self, plan: Plan, callbacks: Sequence[Any], store: Store, update: int):
        """`update` is where the run begins or continues."""
        self._plan, self.begin, self._seen_until = plan, update, update
        self._remembered = update  # up to there the history has everything
        self._callbacks = [each for each in callbacks if isinstance(each, ActingCallback)]
        self._asked_until = store.info().get("asked_until", 0)
        self._taken: dict[int, list[Action]] = defaultdict(list)
        for at, text in store.actions():
            self._taken[at].append(Action.of_text(text))
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
        return bool(self._stop.unit or self._on_request or self._callbacks)

    @property
    def spent(self) -> str:
        """The spent part of the budget, in its unit."""
        return self._spent.in_words(self._stop)

    def stop_at(self, update: int) -> str:
        """The reason for which the run ended after that update, as `reason_of` gives it. A kill
        while the run was lengthened may have left the old budget, and no action of it."""
        lost = 0 < update == self._asked_until and self._spent.reaches(self._stop)
        return reason_to_stop(self._taken.get(update, ())) or (BUDGET if lost else "")

    def passed(self, period: int | str, chunks: int) -> bool:
        """True if a period that is text has passed in the newest of `chunks` chunks."""
        of = self._plan.schedule, self._plan.steps_per_update
        before = Done.after(max(chunks - 1, 0), *of, self._spent.before)
        return Done.after(chunks, *of, self._spent.now).passes(period, before)

    def evaluates(self, record: ChunkRecord) -> bool:
        """Decide whether there is an evaluation after a chunk, which is counted; of a chunk that
        was decided on already, as it was."""
        self._count(record)
        chunks = self._plan.schedule.chunks_until(record.update)
        due = chunks == self._plan.schedule.num_chunks  # maybe of another budget than then
        if record.update > self._asked_until:
            period = self._plan.experiment.evaluation.period
            due |= self._spent.reaches(self._stop) or self.passed(period, chunks)
        if due and Action(EVALUATE) not in self._taken[record.update]:
            self._taken[record.update].append(Action(EVALUATE))
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
            self._asked_until = record.update  # also if a callback ends the training
            for callback in self._callbacks:
                self._taken[record.update] += self._asked(callback, record)
            if self._spent.reaches(self._stop):
                self._taken[record.update].append(Action("stop", BUDGET))
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
        name = getattr(callback.function, "__name__", callback.function)
        try:
            answer = callback(record, self._history)
            several = isinstance(answer, Iterable) and not isinstance(answer, str)
            actions = list(answer) if several else [answer] if answer else []
            for action in actions:
                self._check(action, {row.name for row in record.rows})
        except (Exception, SystemExit) as error:  # the run is worth more than its callback
            why = reason_of(error)
            log.warning("the callback %s failed after update %d: %s", name, record.update, why)
            return []
        except KeyboardInterrupt:
            log.warning("the callback %s was interrupted after update %d", name, record.update)
            raise
        return actions

    def _remember(self, rows: Iterable[Row]) -> None:
        """Add a chunk's rows to the history, which only callbacks read."""
        if not self._callbacks:
            return
        values = defaultdict(list)
        for row in rows:
            if not row.agent:
                values[row.name].append(row.value)
        for name, seen in values.items():
            self._history[name].append(float(np.mean(np.sort(seen))))  # in any order the same

    def _check(self, action: Any, measured: Iterable[str]) -> None:
        """Refuse what cannot be done."""
        if not isinstance(action, Action):
            raise ConfigError(
                f"{action!r} is no Action; return Action.stop() or another, a list, or None."
            )
        seeds = self._plan.experiment.replica_seeds
        if action.seed not in (None, *seeds):
            raise ConfigError(f"seed={action.seed} is not of this run; it has {span(seeds)}.")
        if action.act == "log":
            refuse_name(action.name, measured)
        if action.act == "set":
            refuse_untraced(self._plan, action.name, action.value)

    def _logged(self, action: Action, update: int) -> list[Row]:
        if action.act != "log" or action.value is None:
            return []
        every = self._plan.experiment.replica_seeds
        seeds = every if action.seed is None else [action.seed]
        return [Row(update, seed, "", action.name, action.value) for seed in seeds]
