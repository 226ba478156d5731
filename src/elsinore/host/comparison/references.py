"""Which return counts as 0 and which as 1, so that environments can be put together."""

from typing import NamedTuple

import numpy as np


class Reference(NamedTuple):
    low: float
    high: float
    source: str

    def normalised(self, returns: np.ndarray) -> np.ndarray:
        """0 at `low`, 1 at `high`; where the two are the same, everyone has one half."""
        span = self.high - self.low
        return (returns - self.low) / span if span > 0 else np.full_like(returns, 0.5)


# The lows are means over 4,096 episodes of uniformly random actions; the highs of CartPole and Catch cannot be
# passed, those of Acrobot and Pendulum are what this project's presets reach (IQM of 16 seeds, docs/results.md).
KNOWN = {
    "CartPole-v1": Reference(22.5, 500.0, "random actions; the most there is"),
    "Catch-bsuite": Reference(-0.61, 1.0, "random actions; the most there is"),
    "Acrobot-v1": Reference(-498.9, -72.3, "random actions; the PPO preset, 16 seeds"),
    "Pendulum-v1": Reference(-1222.0, -170.7, "random actions; the PPO preset, 16 seeds"),
}


def reference_for(env: str, told: tuple[float, float] | None, returns: np.ndarray) -> Reference:
    """What was told, else what is known, else the range of all the final returns that are compared."""
    if told is not None:
        return Reference(*told, "as given")
    if env in KNOWN:
        return KNOWN[env]
    finite = returns[np.isfinite(returns)]
    return Reference(float(finite.min()), float(finite.max()), "lowest and highest seed compared here")
