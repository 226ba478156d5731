"""How processes find each other: JAX's own detection, up to the point where it would connect."""

import os
import re
import sys
from types import SimpleNamespace
from typing import Any

import jax
import pytest
from jax._src import distributed, xla_bridge
from jax._src.clusters.k8s_cluster import K8sCluster

from elsinore.jaxtools import processes

LAUNCHERS = (
    "SLURM_",
    "OMPI_",
    "KUBERNETES_",
    "JOB_COMPLETION_INDEX",
    "JAX_COORD",
    "JAX_LOCAL",
    "TPU_",
)
SLURM = {
    "SLURM_JOB_ID": "4100",
    "SLURM_STEP_NODELIST": "node[007-009],other1",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_STEP_NUM_NODES": "4",
}
OPEN_MPI = {
    "OMPI_VERSION": "4.1.6",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "1", "HOSTNAME": "pod"}
FIRST_PORT = 65535 - 2**12 + 1  # of those that JAX takes by the number of a job


@pytest.fixture
def visible(monkeypatch) -> dict[str, Any]:
    """The settings of JAX that joining changes: GPUs."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(distributed.config, "update", found.__setitem__)
    return found


@pytest.fixture
def connected(monkeypatch, visible) -> list[dict[str, Any]]:
    """The clients that would have connected: address, number of this process, and options. No
    launcher has started this process."""
    found: list[dict[str, Any]] = []

    def client(address: str, rank: int, **options: Any) -> Any:
        found.append({"address": address, "rank": rank, **options})
        return SimpleNamespace(connect=lambda: None)

    for name in (x for x in os.environ if x.startswith(LAUNCHERS)):
        monkeypatch.delenv(name)
    monkeypatch.setattr(distributed, "global_state", distributed.State())
    monkeypatch.setattr(
        distributed,
        "_jax",
        SimpleNamespace(
            get_distributed_runtime_client=client,
            get_distributed_runtime_service=lambda *args, **options: object(),
        ),
    )
    monkeypatch.setattr(distributed.State, "initialize_preemption_sync_manager", lambda self: None)
    monkeypatch.setattr(xla_bridge, "backends_are_initialized", lambda: False)
    return found


class Pods:
    """What Kubernetes' client says of a job of three indexed pods."""

    def __init__(self) -> None:
        owner = SimpleNamespace(controller=True, kind="Job")
        labels = {"job-name": "train"}
        self.pod = SimpleNamespace(
            metadata=SimpleNamespace(name="pod", labels=labels, owner_references=[owner]),
            spec=SimpleNamespace(subdomain="pods"),
        )
        self.job = SimpleNamespace(
            metadata=SimpleNamespace(name="train", labels={}), spec=SimpleNamespace(parallelism=3)
        )

    def list_namespaced_pod(self, namespace: str, field_selector: str) -> Any:
        assert (namespace, field_selector) == ("runs", "status.podIP=10.1.1.1")
        return SimpleNamespace(items=[self.pod])

    def read_namespaced_job(self, name: str, namespace: str) -> Any:
        assert (name, namespace) == ("train", "runs")
        return self.job


@pytest.fixture(autouse=True)
def scheduled(monkeypatch):
    """The scheduling that was asked for; this process keeps its own."""
    asked = []
    monkeypatch.setattr(
        os, "sched_setscheduler", lambda *given: asked.append(given[:2]), raising=False
    )
    default = getattr(os, "SCHED_OTHER", 0)
    monkeypatch.setattr(os, "sched_getscheduler", lambda process: default, raising=False)
    return asked


@pytest.fixture
def pods(monkeypatch):
    kubernetes = SimpleNamespace(
        config=SimpleNamespace(load_incluster_config=lambda: None),
        client=SimpleNamespace(
            CoreV1Api=Pods, BatchV1Api=Pods, exceptions=SimpleNamespace(ApiException=OSError)
        ),
    )
    monkeypatch.setitem(sys.modules, "kubernetes", kubernetes)
    monkeypatch.setattr(K8sCluster, "_namespace", lambda: "runs")
    monkeypatch.setattr("socket.gethostbyname", lambda name: "10.1.1.1")
    cached = [K8sCluster.__dict__[name].__func__ for name in ("_pod", "_job", "_controller")]
    yield
    for function in cached:
        function.cache_clear()


def join_in(monkeypatch, variables: dict[str, str]) -> distributed.State:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    processes.join("auto")
    return distributed.global_state


def test_a_task_of_slurm_finds_the_others(connected, monkeypatch):
    state = join_in(monkeypatch, SLURM)
    (client,) = connected
    assert client["address"] == f"node007:{FIRST_PORT + 4100 % 2**12}"
    assert (state.num_processes, client["rank"]) == (4, 2)
    assert client["heartbeat_timeout"] == processes.HEARTBEAT


def test_a_process_of_open_mpi_finds_the_others(connected, monkeypatch):
    state = join_in(monkeypatch, OPEN_MPI)
    (client,) = connected
    assert client["address"] == f"10.96.0.1:{FIRST_PORT + 1531576320 // 2**12 % 2**12}"
    assert (state.num_processes, client["rank"]) == (3, 1)


def test_an_indexed_pod_of_kubernetes_finds_the_others(connected, pods, monkeypatch):
    state = join_in(monkeypatch, KUBERNETES)
    (client,) = connected
    assert client["address"] == "train-0.pods:55527"
    assert (state.num_processes, client["rank"]) == (3, 1)


@pytest.mark.parametrize("variables", [SLURM, OPEN_MPI], ids=["SLURM", "Open MPI"])
def test_a_process_has_the_gpu_of_its_number_or_those_that_a_variable_names(
    variables, connected, visible, monkeypatch
):
    """As docs/how-to/clusters.md says."""
    rank = variables.get("SLURM_LOCALID") or variables["OMPI_COMM_WORLD_LOCAL_RANK"]
    join_in(monkeypatch, variables)
    assert visible["jax_cuda_visible_devices"] == rank
    monkeypatch.setattr(distributed, "global_state", distributed.State())
    join_in(monkeypatch, {"JAX_LOCAL_DEVICE_IDS": "0,1,2,3"})
    assert visible["jax_cuda_visible_devices"] == "0,1,2,3"


def test_a_place_by_hand_is_not_looked_for(connected, monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    processes.join("10.0.0.1:7000, 2, 0")
    (client,) = connected
    assert (client["address"], client["rank"]) == ("10.0.0.1:7000", 0)
    assert distributed.global_state.num_processes == 2


def test_a_process_joins_once(connected, monkeypatch):
    join_in(monkeypatch, SLURM)
    processes.join("auto")
    processes.join("elsewhere")
    assert len(connected) == 1


@pytest.mark.parametrize("place", ["auto", "10.0.0.1:7000,2,0"])
def test_a_process_that_has_computed_joins_no_others(connected, monkeypatch, place):
    monkeypatch.setattr(xla_bridge, "backends_are_initialized", lambda: True)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(RuntimeError, match=r"^--distributed \(in Python, distributed\) comes too"):
        processes.join(place)


@pytest.mark.parametrize("lacking", ["all", "SLURM_PROCID"])
def test_without_a_cluster_the_ways_to_start_one_are_named(lacking, connected, monkeypatch):
    variables = {name: x for name, x in SLURM.items() if lacking not in ("all", name)}
    message = (
        "--distributed (in Python, distributed) finds no cluster here"
        " (coordinator_address should be defined); start it"
    )
    remedy = "by SLURM, Open MPI or Kubernetes, or give it as HOST:PORT,N,I."
    with pytest.raises(ValueError, match=re.escape(f"{message} {remedy}")):
        join_in(monkeypatch, variables)
    assert connected == [] and not processes.joined()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux has it")
@pytest.mark.parametrize(
    ("platforms", "files", "asked"),
    [
        (None, [], True),
        ("cpu", ["null"], True),
        ("cuda", [], False),
        (None, ["nvidiactl"], False),
        (None, ["accel0"], False),
        (None, ["vfio/0"], False),
    ],
)
def test_on_cpus_a_running_thread_keeps_its_core(platforms, files, asked, tmp_path, scheduled):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    before = jax.config.jax_platforms
    try:
        jax.config.update("jax_platforms", platforms)
        processes._set_batch_scheduling(str(tmp_path))
    finally:
        jax.config.update("jax_platforms", before)
    assert scheduled == ([(0, os.SCHED_BATCH)] if asked else [])


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux has it")
def test_scheduling_that_was_chosen_or_cannot_be_set_is_left(tmp_path, scheduled, monkeypatch):
    monkeypatch.setattr(os, "sched_getscheduler", lambda process: os.SCHED_IDLE)
    processes._set_batch_scheduling(str(tmp_path))
    assert scheduled == []

    def refused(*given):
        scheduled.append(given[:2])
        raise PermissionError

    monkeypatch.setattr(os, "sched_getscheduler", lambda process: os.SCHED_OTHER)
    monkeypatch.setattr(os, "sched_setscheduler", refused)
    processes._set_batch_scheduling(str(tmp_path))
    assert scheduled == [(0, os.SCHED_BATCH)]
