"""Values that are worked out once."""

import jax

# XLA fuses what is cheap into each operation that reads it, where it is worked out anew: in a step of many rules that
# becomes the greater part of what is compiled, and of what is computed. A barrier ends that.
once = jax.lax.optimization_barrier
