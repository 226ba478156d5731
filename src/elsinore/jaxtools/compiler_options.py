"""XLA's options for the programs of a run, by platform."""

from typing import Any

import jax

# XLA's CPU defaults suit large programs. These are measured on small ones, one PPO seed at 4 envs x
# 128 steps: fewer copies in loops (+13 %), 512-bit vectors where the machine has them (+8 %), no
# reordering for a concurrency that one core does not have (+4 %). LLVM's first level compiles in 3
# to 14 % less time, for code that is as fast (but for GRUs, 4 % slower): XLA has vectorised by
# then. Vector width changes the order of sums, so results differ from XLA's defaults by rounding
# (7e-8 after 20 updates); among our runs they are equal. The pass that cuts loops into a part for
# each core compiles them to slower code even where one core computes all parts: without it DQN on
# MinAtar takes twice the steps/s, with equal bits; our other works gain up to a seventh or nothing.
CPU_OPTIONS = {
    "xla_cpu_copy_insertion_use_region_analysis": True,
    "xla_cpu_prefer_vector_width": 512,
    "xla_cpu_enable_concurrency_optimized_scheduler": False,
    "xla_cpu_multi_thread_eigen": False,
    "xla_backend_optimization_level": 1,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
}

# A step of a small env is a few kernels of microseconds each, and a launch costs as much. As CUDA
# graphs they are launched together, by default from 5 kernels on; from 1 on, 16 seeds of PPO at 4
# envs x 128 steps take 1.83M instead of 1.58M steps/s on an H100.
GPU_OPTIONS = {"xla_gpu_graph_min_graph_size": 1}


def compiler_options() -> dict[str, Any]:
    """XLA's options for the programs of a run, by platform."""
    return {"cpu": CPU_OPTIONS, "gpu": GPU_OPTIONS}.get(jax.default_backend(), {})
