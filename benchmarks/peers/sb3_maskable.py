"""sb3-contrib's MaskablePPO (PyTorch) on Balatro's Gymnasium export: the masks are what it expects.

    python benchmarks/peers/sb3_maskable.py --env-steps 20000

It needs sb3-contrib and torch beside elsinore. Tells how often chance and the policy win at stage 0
and one ante, what they return, and how many steps a second it learnt from, as one line of JSON.
"""

import argparse
import json
import time
from importlib.metadata import version
from statistics import fmean

import numpy as np
import torch
from sb3_contrib import MaskablePPO

from elsinore.integrations.gymnasium import GymnasiumEnv, gymnasium_env

CHANCE = np.random.default_rng(0)


def balatro() -> GymnasiumEnv:
    """Stage 0 at one ante. Flat, because the extractor of MultiInputPolicy takes no observation
    without an axis."""
    return gymnasium_env("Balatro-stage0", {"flatten": True}, {"max_ante": 1})


def played(env: GymnasiumEnv, act, episodes: int) -> dict[str, float]:
    """Means over fresh games of a player, `act(obs, mask) -> action`; no action of its may be
    illegal."""
    endings, returns = [], []
    for seed in range(episodes):
        (obs, _), over, total = env.reset(seed=10_000 + seed), False, 0.0
        while not over:
            obs, reward, terminated, truncated, info = env.step(act(obs, env.action_masks()))
            if info["illegal_action"]:
                raise RuntimeError("an illegal action was taken although the mask was given")
            total, over = total + reward, terminated or truncated
        endings.append(info)
        returns.append(total)
    metrics = {
        name: fmean(float(ending[name]) for ending in endings)
        for name in ("won", "blinds", "length")
    }
    return {"return": fmean(returns), **metrics}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--env-steps", type=int, default=20_000)
    parser.add_argument("--episodes", type=int, default=100, help="that are judged by")
    args = parser.parse_args()
    torch.set_num_threads(1)
    env = balatro()
    random_policy = played(
        env, lambda obs, mask: CHANCE.choice(np.flatnonzero(mask)), args.episodes
    )
    # its own settings throughout
    model = MaskablePPO("MultiInputPolicy", env, seed=0, device="cpu")
    began = time.perf_counter()
    model.learn(args.env_steps)
    seconds = time.perf_counter() - began

    def policy(obs, mask) -> int:
        return int(model.predict(obs, action_masks=mask, deterministic=True)[0])

    print(
        json.dumps(
            {
                "trainer": "sb3-contrib MaskablePPO",
                "version": version("sb3-contrib"),
                "env_steps": model.num_timesteps,
                "steps_per_second": round(model.num_timesteps / seconds),
                "chance": random_policy,
                "policy": played(env, policy, args.episodes),
            }
        )
    )


if __name__ == "__main__":
    main()
