"""Free memory of the C library's heap."""

import ctypes
import platform
import resource
import subprocess
import sys

import pytest

from elsinore.runs import heap

ALLOCATED = """
import ctypes
from pathlib import Path
from elsinore.runs import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * %d

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(1000) for _ in range(100_000)]
for block in blocks:
    ctypes.memset(block, 1, 1000)
above = libc.malloc(1000)  # in use, so that what is free below it stays
for block in blocks:
    libc.free(block)
before = resident()
heap.give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's heap")
def test_what_is_free_below_a_block_in_use_goes_back():
    code = ALLOCATED % resource.getpagesize()
    given = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(given.stdout) > 50e6  # of 100 MB


def test_another_system_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("its library was opened"))
    heap.give_back()
