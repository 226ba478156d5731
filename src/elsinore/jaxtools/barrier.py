"""Values that XLA computes once."""

import jax

# XLA fuses a cheap value into each operation that reads it and computes it again there; in a step
# of many rules this dominates compile time and run time. A barrier prevents it.
barrier = jax.lax.optimization_barrier
