"""Free memory is the least that the system, any cgroup of the process and its limits leave."""

import resource
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest

from elsinore.config.memory import UNLIMITED, available_bytes, host_bytes

MIB = 2**20


@pytest.fixture
def machine(tmp_path):
    """A made-up machine with 8 GiB free: write files below it, by path."""

    def put(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    put("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n")
    put.root = tmp_path
    return put


V2_MOUNT = "41 31 0:38 {root} /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def test_without_a_cgroup_the_systems_memory_counts(machine):
    assert host_bytes(machine.root) == 8192 * MIB


def test_a_cgroup_of_version_2_counts_without_what_it_could_drop(machine):
    machine("proc/self/cgroup", "0::/job\n")
    machine("proc/self/mountinfo", V2_MOUNT.format(root="/"))
    machine("sys/fs/cgroup/job/memory.max", f"{700 * MIB}\n")
    machine("sys/fs/cgroup/job/memory.current", f"{300 * MIB}\n")
    machine("sys/fs/cgroup/job/memory.stat", f"anon 5\ninactive_file {100 * MIB}\n")
    assert host_bytes(machine.root) == 500 * MIB


def test_the_cgroups_above_count_too(machine):
    machine("proc/self/cgroup", "0::/slurm/job/step\n")
    machine("proc/self/mountinfo", V2_MOUNT.format(root="/"))
    machine("sys/fs/cgroup/slurm/job/step/memory.max", "max\n")
    machine("sys/fs/cgroup/slurm/job/memory.max", f"{900 * MIB}\n")
    machine("sys/fs/cgroup/slurm/job/memory.current", f"{100 * MIB}\n")
    assert host_bytes(machine.root) == 800 * MIB


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_a_cgroup_of_version_1_counts_wherever_it_is_mounted(machine, root):
    inside = "docker/abc/" if root == "/" else ""
    machine("proc/self/cgroup", "9:cpu:/elsewhere\n4:memory:/docker/abc\n0::/\n")
    machine("proc/self/mountinfo", V1_MOUNT.format(root=root))
    folder = f"sys/fs/cgroup/memory/{inside}"
    machine(f"{folder}memory.limit_in_bytes", f"{600 * MIB}\n")
    machine(f"{folder}memory.usage_in_bytes", f"{200 * MIB}\n")
    machine(f"{folder}memory.stat", f"total_inactive_file {50 * MIB}\n")
    assert host_bytes(machine.root) == 450 * MIB


def test_a_cgroup_without_a_limit_does_not_count(machine):
    machine("proc/self/cgroup", "4:memory:/\n")
    machine("proc/self/mountinfo", V1_MOUNT.format(root="/"))
    machine("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert host_bytes(machine.root) == 8192 * MIB


def test_a_limit_of_the_address_space_counts():
    script = (
        "import resource; from elsinore.config.memory import host_bytes;"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, resource.RLIM_INFINITY));"
        "assert 0 < host_bytes() <= 2**28"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_this_machine_has_memory():
    assert resource.getpagesize() < host_bytes() < 2**50


def test_of_an_accelerator_that_says_nothing_nothing_is_known(monkeypatch):
    def device(platform, stats):
        return SimpleNamespace(platform=platform, memory_stats=lambda: stats)

    for stats in (None, {"bytes_in_use": 3}):
        monkeypatch.setattr(jax, "local_devices", lambda stats=stats: [device("gpu", stats)])
        assert available_bytes() == UNLIMITED
    monkeypatch.setattr(jax, "local_devices", lambda: [device("gpu", {"bytes_limit": 5})])
    assert available_bytes() == 5
    monkeypatch.setattr(jax, "local_devices", lambda: [device("cpu", None)])
    assert 0 < available_bytes() < UNLIMITED
