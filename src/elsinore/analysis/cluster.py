"""Tasks on a Ray cluster, each of which begins, resumes or reads one run folder.

Ray places the tasks. A task whose worker is lost or stopped is done again and continues from its
run's checkpoint; when the driver is lost, the same command does all of it again.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from elsinore.analysis.cluster_task import Task
from elsinore.config.extras import require
from elsinore.errors import ConfigError, ElsinoreError, RunError, counted, one_line
from elsinore.jaxtools.platform import platform_refusal
from elsinore.runs.signals import Stop

log = logging.getLogger("elsinore")

STOPPED = "it was stopped, or another process trains its run"
AGAIN = 10  # times that a task is done again after its worker was lost
LAST_WAIT = 60.0  # seconds for runs to save when all tasks are cancelled
POLL = 0.5  # seconds between looks at the tasks
PREALLOCATES = "XLA_PYTHON_CLIENT_PREALLOCATE"
FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION"


@dataclass(frozen=True)
class OnCluster:
    """A cluster to join, and a task's share of it: `on` is "ray" (the cluster of RAY_ADDRESS, or
    else this machine) or "ray://HOST:PORT".

    Raises:
        ConfigError: for another `on`, for shares that no task can have, or without Ray.
    """

    on: str
    cpus: int | None = None  # cores of a task; None: shared equally, at most one for each replica
    gpus: float | None = None  # GPUs of a task; None: one where the cluster has any

    def __post_init__(self) -> None:
        if self.on != "ray" and not self.on.startswith("ray://"):
            raise ConfigError(
                f"on={self.on!r} is unknown; use ray (the cluster of RAY_ADDRESS, or else this"
                " machine) or ray://HOST:PORT."
            )
        if self.cpus is not None and self.cpus < 1:
            raise ConfigError(f"cpus_per_task={self.cpus} must be at least 1.")
        if self.gpus is not None and self.gpus < 0:
            raise ConfigError(f"gpus_per_task={self.gpus} must not be negative.")
        require("ray", "--on ray (in Python, on='ray')", "leave it out")

    def start_devices(self) -> None:
        """Start JAX's devices here, if they have not, without three quarters of the memory of each
        GPU, which tasks on this machine need. A platform that cannot start is refused later."""
        if PREALLOCATES in os.environ:
            return
        os.environ[PREALLOCATES] = "false"
        try:
            platform_refusal()
        finally:  # workers on this machine have the variables of this process
            del os.environ[PREALLOCATES]

    @contextmanager
    def joined(self) -> Iterator["Cluster"]:
        """The cluster, left or ended afterwards if it was joined or started here. Ray sets signal
        handlers, so this comes before `stop_on_signals`.

        Raises:
            ConfigError: if it cannot be reached or started.
        """
        ray, mine = _joined(self.on)
        try:
            yield Cluster(ray, self)
        finally:
            if mine:
                ray.shutdown()


def _joined(on: str) -> tuple[ModuleType, bool]:
    """Ray, and whether this call joined or started its cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # pyright: ignore[reportMissingImports]

    if ray.is_initialized():  # pyright: ignore[reportAttributeAccessIssue]
        return ray, False
    address = None if on == "ray" else on
    options = {} if address else {"include_dashboard": False}
    try:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        ray.init(address=address, **quiet, **options)  # pyright: ignore[reportAttributeAccessIssue]
    except Exception as error:  # Ray raises many types where a cluster cannot be reached
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        text = one_line(error, 200)
        raise ConfigError(
            f"on={on!r}: Ray does not start on {where}: {text}. Look at `ray status`, or leave it"
            " out."
        ) from error
    return ray, True


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process has joined."""

    ray: ModuleType
    shares: OnCluster

    def each(
        self,
        tasks: Sequence[Task],
        stop: Stop,
        progress: Callable[[str], None],
        failures: bool = False,
        resume_with: str = "the same call",
    ) -> Iterator[tuple[Task, Any]]:
        """Each task with its result, as they end; with `failures` an error is a result, too. When
        `stop` is set all are cancelled; their runs save themselves, and the iterator ends early.

        Args:
            resume_with: the command that resumes the tasks, for messages.

        Raises:
            ElsinoreError: of a task.
            RunError: for a task whose workers were lost too often.
        """
        if not tasks:
            return
        running = _Running(self.ray, self.shares, tasks, progress, resume_with)
        with closing(running.until(stop)) as ended:  # so that an error cancels the others at once
            for task, result in ended:
                if isinstance(result, Exception) and not failures:
                    raise type(result)(f"{task.name}: {result}") from result
                yield task, result


@dataclass
class _Running:
    """Tasks that were given to Ray."""

    ray: ModuleType
    shares: OnCluster
    tasks: Sequence[Task]
    progress: Callable[[str], None]
    resume_with: str = ""  # the command that resumes the tasks, for messages
    pending: dict[Any, Task] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # workers, by the name of their task

    def until(self, stop: Stop) -> Iterator[tuple[Task, Any]]:
        self.functions = {n: self.function_for(n) for n in {t.replicas for t in self.tasks}}
        self.board = self.ray.remote(num_cpus=0, max_restarts=-1)(_board()).remote()
        shown = _Shown(self.tasks, self.progress)
        try:
            for task in self.tasks:
                self.give(task)
            while self.pending and not stop.is_set():
                yield from self.done()
                shown.show(self.news())
        finally:
            self.cancel()

    def give(self, task: Task) -> None:
        function, environment = self.functions[task.replicas]
        self.pending[function.remote(environment, tuple(task), self.board)] = task

    def function_for(self, replicas: int) -> tuple[Any, dict[str, str]]:
        """The remote function of tasks with `replicas` replicas, and its environment variables."""
        there, gpus = self.ray.cluster_resources(), self.shares.gpus
        gpus = float(there.get("GPU", 0) > 0) if gpus is None else gpus
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        fit = [node.get("CPU", 0) for node in nodes if node.get("GPU", 0) >= gpus]
        equal = int(there.get("CPU", 1)) // len(self.tasks)
        most = int(min(replicas, max(fit, default=1)))
        cpus = self.shares.cpus or max(1, min(equal, most))
        if max(fit, default=0) < cpus:  # Ray waits without end, and says nothing
            self.progress(
                f"no machine of the cluster has {counted(cpus, 'CPU core')} and {gpus:g} GPUs, the"
                " share of a task: tasks wait until one joins; or stop, and give less by"
                " --cpus-per-task and --gpus-per-task (in Python, cpus_per_task and gpus_per_task)"
            )
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0}
        if gpus:  # JAX holds a GPU's memory until its process ends
            options["max_calls"] = 1
        environment = {"JAX_NUM_CPU_DEVICES": str(cpus)}
        if 0 < gpus < 1:  # else the first task takes three quarters; the rest is for CUDA itself
            environment[FRACTION] = f"{0.9 * gpus:.2f}"
        return self.ray.remote(**options)(_call()), environment

    def done(self) -> Iterator[tuple[Task, Any]]:
        """The tasks that have ended by now; those whose worker was lost or stopped are given to
        Ray again."""
        self.ray.wait(list(self.pending), timeout=POLL)  # for one
        waiting = list(self.pending)
        ended, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for reference in ended:
            task = self.pending.pop(reference)
            try:
                result, why = self.ray.get(reference), STOPPED
            except self.ray.exceptions.RayTaskError as error:
                yield task, _cause_of(error)
                continue
            except self.ray.exceptions.RayError as error:  # of its worker, node or memory
                result, why = None, one_line(error, 200)
            if result is None:
                self.give_again(task, why)
            else:
                yield task, result

    def give_again(self, task: Task, why: str) -> None:
        self.lost[task.name] = self.lost.get(task.name, 0) + 1
        if self.lost[task.name] > AGAIN:
            raise RunError(
                f"{task.name}: its worker was lost {AGAIN + 1} times, the last time: {why}. Resume"
                f" it from its checkpoint with {self.resume_with}."
            )
        self.progress(f"{task.name}: its worker was lost, another one continues: {why}")
        self.give(task)

    def news(self) -> dict[str, tuple[str, int]]:
        """(host, env steps) of the tasks that have reported since the last call."""
        try:
            return self.ray.get(self.board.take.remote(), timeout=10.0)
        except self.ray.exceptions.RayError:  # the board's node was lost; Ray starts it again
            return {}

    def cancel(self) -> None:
        """Interrupt what still runs, as Ctrl-C would, and wait until it is saved."""
        for reference in self.pending:
            self.ray.cancel(reference, force=False)
        if waiting := list(self.pending):
            self.ray.wait(waiting, num_returns=len(waiting), timeout=LAST_WAIT)
        self.ray.kill(self.board)


def _board() -> type:
    """The class of an actor that holds the news of all tasks.

    This and the next are made inside a function so that Ray sends their code: no elsinore, and no
    JAX, is imported by it.
    """

    class Board:
        def __init__(self) -> None:
            self.news: dict[str, tuple[str, int]] = {}

        def put(self, name: str, host: str, env_steps: int) -> None:
            self.news[name] = (host, env_steps)

        def take(self) -> dict[str, tuple[str, int]]:
            news, self.news = self.news, {}
            return news

    return Board


def _call() -> Callable[..., Any]:
    """The function that a worker is given."""

    def elsinore_task(environment: Mapping[str, str], task: tuple, board: Any) -> Any:
        import os

        for name, value in environment.items():  # before JAX is imported
            os.environ.setdefault(name, value)
        from elsinore.analysis.cluster_worker import do

        return do(task, board)

    return elsinore_task


def _cause_of(error: Any) -> Exception:
    """The error that a task raised; one of another library in words, since it may not be here."""
    cause = error.cause
    return (
        cause if isinstance(cause, ElsinoreError) else RunError(f"{type(cause).__name__}: {cause}")
    )


class _Shown:
    """Lines about the progress of tasks: where each begins, and now and then how far they are."""

    EVERY = 30.0  # seconds

    def __init__(self, tasks: Sequence[Task], progress: Callable[[str], None]):
        self._tasks = {task.name: task for task in tasks}
        self._progress = progress
        self._hosts: dict[str, str] = {}
        self._last = time.monotonic()
        self._latest: dict[str, int] = {}

    def show(self, news: Mapping[str, tuple[str, int]]) -> None:
        for name, (host, env_steps) in news.items():
            if self._hosts.get(name) != host:
                self._hosts[name] = host
                self._progress(f"{name}: begins on {host}")
            if env_steps:
                self._latest[name] = env_steps
        if self._latest and time.monotonic() - self._last >= self.EVERY:
            self._last = time.monotonic()
            parts = [
                f"{name} {steps / self._tasks[name].env_steps:.0%}"
                for name, steps in self._latest.items()
            ]
            self._progress("; ".join(parts))
            self._latest = {}
