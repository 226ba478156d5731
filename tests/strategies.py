"""Numbers that hypothesis draws."""

from functools import partial

from hypothesis import strategies as st

# XLA takes subnormal float32 numbers for zero, NumPy does not.
float32s = partial(st.floats, width=32, allow_subnormal=False)
