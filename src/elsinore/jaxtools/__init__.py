"""JAX tools apart from reinforcement learning: keys, barriers, compile units, integers."""
