"""JaxMARL's simple spread, with its time limit taken for an end, as JaxMARL does."""

from typing import Any

from elsinore.envs import make


def spread() -> Any:
    """The environment; it terminates where the adapter's would truncate."""
    env, _ = make("jaxmarl/MPE_simple_spread_v3")

    class LimitEnds(type(env)):
        def step_env(self, key, state, action, params):
            obs, state, reward, over, info = super().step_env(key, state, action, params)
            return obs, state, reward, over | self.is_truncated(state, params), info

    return LimitEnds.make("MPE_simple_spread_v3")
