"""A model of training speed on many devices, from what one device was measured to do.

    python -m benchmarks.scale_model

An update of PPO takes the longer of two times: that of its launches, and that of its arithmetic;
one seed over several devices (shards) adds the means of its gradients. The constants of one H100
are fitted to `results/accelerator_nvidia_h100_80gb_hbm3.json`, and tests/test_benchmarks.py holds
the model to it. The links are assumptions from their makers' data: nothing here ran on several
accelerators.
"""

import math
from dataclasses import dataclass

from elsinore.jaxtools.shards import LARGE

HOUR = 3600.0


@dataclass(frozen=True)
class Device:
    """An accelerator and the work of PPO with two 64-64 networks on CartPole on it."""

    launch: float = 1.5e-6  # seconds of a kernel in a CUDA graph that waits for the one before
    step_kernels: float = 12.75  # of an env step of all envs, from two profiles
    gradient_kernels: float = 113.0  # of a gradient step, from the same
    transition: float = 62e-9  # seconds of arithmetic for a transition, four epochs of learning

    def update(self, steps: int, gradients: int, transitions: int) -> float:
        """Seconds of an update of `steps` env steps and `gradients` gradient steps, which handle
        `transitions` in all seeds of the device."""
        launches = steps * self.step_kernels + gradients * self.gradient_kernels
        return max(self.launch * launches, self.transition * transitions)


@dataclass(frozen=True)
class Link:
    """The way between devices (assumed, not measured)."""

    latency: float  # seconds of one exchange among all shards
    bandwidth: float  # bytes a second of one device

    def mean(self, parameters: int, shards: int) -> float:
        """Seconds of a mean of gradients that adds them in the shards' order, as
        `elsinore.jaxtools.shards.total` does with a device for each shard: an all_gather and a sum
        of all; of many parameters an all_to_all, the sum of a part, and an all_gather."""
        if shards == 1:
            return 0.0
        others = 4 * parameters * (shards - 1)  # bytes of the other shards' gradients
        if shards == 2 or parameters < LARGE * shards:
            return self.latency + others / self.bandwidth
        return 2 * (self.latency + others / shards / self.bandwidth)


H100 = Device()
INSIDE = Link(15e-6, 300e9)  # 8 devices of one machine
BETWEEN = Link(40e-6, 45e9)  # 64 devices of several machines


@dataclass(frozen=True)
class Run:
    """PPO with `num_envs` envs of each seed and `seeds` seeds on a device, a seed over `shards`."""

    num_envs: int
    seeds: int = 1
    steps: int = 32  # rollout_length
    gradients: int = 32  # epochs x minibatches
    shards: int = 1
    parameters: int = 9_000

    def update_seconds(self, device: Device = H100, link: Link = INSIDE) -> float:
        own = device.update(self.steps, self.gradients, self.num_envs * self.seeds * self.steps)
        return own + (self.gradients + 1) * link.mean(self.parameters, self.shards)

    def steps_per_second(self, devices: int = 1, device: Device = H100, link: Link = INSIDE):
        """Env steps a second of all devices; those that share no seed do not wait."""
        return devices * self.num_envs * self.seeds * self.steps / self.update_seconds(device, link)

    def efficiency(self, link: Link = INSIDE) -> float:
        """The share of its speed that a device keeps when its seeds are sharded."""
        return self.update_seconds(link=Link(0.0, math.inf)) / self.update_seconds(link=link)


def checkpoint_interval(save: float, machines: int, between_failures: float) -> float:
    """Seconds between checkpoints that lose least: sqrt(2 x save x time between failures of any
    machine). Source: Young 1974, doi:10.1145/361147.361115.

    Args:
        save: seconds that training waits for one checkpoint.
        machines: of the job; one that fails stops all.
        between_failures: seconds between the failures of one machine.
    """
    return math.sqrt(2 * save * between_failures / machines)


def lost(save: float, machines: int, between_failures: float, restart: float) -> float:
    """The share of time that checkpoints, repeated work and restarts take at that interval."""
    interval = checkpoint_interval(save, machines, between_failures)
    return save / interval + (interval / 2 + restart) * machines / between_failures


def main() -> None:
    print("| envs a device | shards | link | env steps/s on 64 devices | efficiency |")
    print("| --- | --- | --- | --- | --- |")
    for num_envs in (64, 512, 4_096, 65_536):
        for shards, name, link in (
            (1, "none", INSIDE),
            (8, "inside", INSIDE),
            (64, "between", BETWEEN),
        ):
            run = Run(num_envs, shards=shards)
            speed = run.steps_per_second(64, link=link)
            print(
                f"| {num_envs:,} | {shards} | {name} | {speed:,.0f} | {run.efficiency(link):.0%} |"
            )
    print("\n| machines | a checkpoint every | time lost |\n| --- | --- | --- |")
    for machines in (1, 8, 64, 512):
        year = 365 * 24 * HOUR
        interval = checkpoint_interval(0.5, machines, year)
        share = lost(0.5, machines, year, restart=120.0)
        print(f"| {machines} | {interval / 60:.0f} min | {share:.2%} |")


if __name__ == "__main__":
    main()
