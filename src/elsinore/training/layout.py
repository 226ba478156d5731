"""Placement of the seeds, and of the shards of each, on devices."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, Sharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from elsinore.jaxtools.shards import DEVICES
from elsinore.training.chunk import Program
from elsinore.training.shards import SHARED


@dataclass(frozen=True)
class Layout:
    """Placement of the seeds: `kind` inside each device, `padded` >= the number of seeds in all."""

    kind: str  # map | vmap
    devices: tuple
    num_seeds: int
    single_launch: bool = False  # one launch computes all seeds (`turns.py`)
    shards: int = 1  # of each seed
    devices_per_seed: int = 1  # over which its shards are divided equally
    # `Program.divided`, which says how states are placed where a seed has several devices
    divided: PyTree = field(default=None, compare=False, repr=False)

    @property
    def rows(self) -> int:
        """Seeds, or groups of seeds, on devices of their own."""
        return len(self.devices) // self.devices_per_seed

    @property
    def padded(self) -> int:
        """Seeds with padding, equally many per row; padding is frozen and not reported."""
        return -(-self.num_seeds // self.rows) * self.rows

    @property
    def batch(self) -> int:
        """Seeds that a device computes as one batch; layouts of another batch differ by
        rounding."""
        return self.padded // self.rows if self.kind == "vmap" else 1

    @property
    def one_a_device(self) -> bool:
        """True if a launch computes one seed of each device; on CPUs. Where a seed has several, one
        launch computes all: devices of two launches could wait for each other."""
        on_cpu = self.devices[0].platform == "cpu"
        alone = self.kind == "map" and self.devices_per_seed == 1
        return alone and on_cpu and not self.single_launch

    @property
    def turn(self) -> "Layout":
        """Layout of the seeds that one launch computes."""
        return replace(self, num_seeds=len(self.devices)) if self.one_a_device else self

    def for_program(self, program: Program) -> "Layout":
        """This layout for the states of a program, some leaves of which its shards divide."""
        return replace(self, divided=program.divided)

    def described(self) -> dict[str, Any]:
        """Plain data for a checkpoint's manifest."""
        data = {"kind": self.kind, "devices": len(self.devices), "batch": self.batch}
        data["platform"] = self.devices[0].platform
        own = {"shards": self.shards, "devices_per_seed": self.devices_per_seed}
        return data | (own if self.shards > 1 else {})

    @property
    def mesh(self) -> Mesh:
        """The devices, ("seed",), or ("seed", "env") where a seed has several."""
        shape, names = (self.rows, self.devices_per_seed), ("seed", DEVICES)
        axes = 1 if self.devices_per_seed == 1 else 2
        types = (AxisType.Auto,) * axes
        # not `jax.make_mesh`, which takes no part of a TPU that is not a cuboid of its chips
        devices = np.array(self.devices).reshape(shape[:axes])
        return Mesh(devices, names[:axes], axis_types=types)

    @property
    def sharding(self) -> Sharding:
        """Sharding by seed. One device needs no mesh: with one, states and a program's own arrays
        would differ in type, and cause a second trace."""
        return (
            SingleDeviceSharding(*self.devices)
            if len(self.devices) == 1
            else NamedSharding(self.mesh, P("seed"))
        )

    def spec(self, axis: int) -> P:
        """The partition of stacked leaves that shards divide along `axis` of a seed, or share."""
        return P("seed") if axis == SHARED else P("seed", *[None] * axis, DEVICES)

    def shardings(self, stacked: PyTree) -> PyTree:
        """The sharding of each leaf of stacked states."""
        if self.devices_per_seed == 1:
            return jax.tree.map(lambda _: self.sharding, stacked)
        return jax.tree.map(lambda axis: NamedSharding(self.mesh, self.spec(axis)), self.divided)

    @property
    def inits_in_place(self) -> bool:
        """True for several devices with a memory each; CPU devices share one."""
        return len(self.devices) > 1 and self.devices[0].platform != "cpu"

    @property
    def everywhere(self) -> Sharding:
        """Replicated sharding."""
        return self.sharding if len(self.devices) == 1 else NamedSharding(self.mesh, P())


def layout_for(
    num_seeds: int,
    kind: str = "auto",
    single_launch: bool = False,
    shards: int = 1,
    devices: Sequence | None = None,
) -> Layout:
    """`auto` is `map` on CPU, and of seeds with several shards everywhere, and `vmap` elsewhere;
    over as many devices as there are seeds for, or shards of them; `devices` are those of all
    processes, and equally many of each are used where that is possible. `Layout.for_program` adds
    `divided`."""
    if kind == "auto":
        kind = "map" if shards > 1 or jax.default_backend() == "cpu" else "vmap"
    devices = jax.devices() if devices is None else devices
    parts: dict[int, list] = {}
    for device in devices:
        parts.setdefault(device.process_index, []).append(device)
    there = min(len(part) for part in parts.values()) * len(parts)
    rows, each = _fewest_turns(num_seeds, shards, there, len(parts))
    share = -(-rows * each // len(parts))
    used = [device for part in parts.values() for device in part[:share]]
    return Layout(kind, tuple(used[: rows * each]), num_seeds, single_launch, shards, each)


def _fewest_turns(
    num_seeds: int, shards: int, num_devices: int, processes: int = 1
) -> tuple[int, int]:
    """(rows, devices per seed) with which devices have the fewest shards to train; among equals the
    one with the most rows, since rows need not wait for each other. Of several processes each has
    the same number of devices, if there is a way."""
    possible = [
        (rows, each)
        for rows in range(min(num_seeds, num_devices), 0, -1)
        for each in range(1, min(shards, num_devices // rows) + 1)
        if shards % each == 0
    ]
    equal = [x for x in possible if x[0] * x[1] % processes == 0]
    return min(equal or possible, key=lambda x: -(-num_seeds // x[0]) * (shards // x[1]))
