"""PPO of Craftax_Baselines, read from a checkout: each seed's return at the end.

    python benchmarks/peers/craftax_baselines.py --source DIR --seeds 8 --num-envs 64

The file is `ppo.py`, with the settings of its own command line but for the env, the env steps and
the number of envs: its 1,024 are meant for a run a thousand times as long, and leave 15 updates
here. It imports wandb for its reports; a stand-in that does nothing takes its place. Prints one
line of JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from types import ModuleType

EPISODES = 128  # fresh ones a seed, actions sampled
ENV = "craftax/Craftax-Classic-Symbolic-v1"
NAME = ENV.removeprefix("craftax/")
STEPS = 999_424  # whole updates of ours, and of its PPO with 64 envs
LIMIT = 10_000  # steps of an episode, the env's own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="a checkout")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--env-steps", type=int, default=STEPS)
    args = parser.parse_args()
    if not (args.source / "ppo.py").is_file():
        parser.error(
            f"--source={args.source} holds no ppo.py; give a checkout of"
            " MichaelTMatthews/Craftax_Baselines"
        )
    sys.path[0] = str(args.source)  # in place of this folder, for its own modules
    sys.modules["wandb"] = ModuleType("wandb")
    import jax
    import ppo  # pyright: ignore[reportMissingImports]

    config = settings(args.num_envs, args.env_steps)
    train = jax.jit(jax.vmap(ppo.make_train(config)))
    started = time.monotonic()
    keys = jax.random.split(jax.random.PRNGKey(0), args.seeds)
    params = jax.block_until_ready(train(keys)["runner_state"][0].params)
    seconds = time.monotonic() - started
    returns = fresh_returns(ppo, config, params, args.seeds)
    row = {"env_steps": config["NUM_UPDATES"] * args.num_envs * config["NUM_STEPS"]}
    print(json.dumps(row | {"seconds": seconds, "S": [float(each) for each in returns]}))


def settings(num_envs: int, env_steps: int) -> dict:
    """The defaults of its command line, but for a few."""
    return {
        "ENV_NAME": NAME,
        "NUM_ENVS": num_envs,
        "TOTAL_TIMESTEPS": env_steps,
        "LR": 2e-4,
        "NUM_STEPS": 64,
        "UPDATE_EPOCHS": 4,
        "NUM_MINIBATCHES": 8,
        "GAMMA": 0.99,
        "GAE_LAMBDA": 0.8,
        "CLIP_EPS": 0.2,
        "ENT_COEF": 0.01,
        "VF_COEF": 0.5,
        "MAX_GRAD_NORM": 1.0,
        "ACTIVATION": "tanh",
        "ANNEAL_LR": True,
        "DEBUG": False,
        "USE_WANDB": False,
        "LAYER_SIZE": 512,
        "USE_OPTIMISTIC_RESETS": True,
        "OPTIMISTIC_RESET_RATIO": 16,
        "TRAIN_ICM": False,
        "USE_E3B": False,
    }


def fresh_returns(ppo: ModuleType, config: dict, params, seeds: int):
    """Each seed's mean return of fresh episodes, [seed]; an episode ends once, for good."""
    import jax
    import jax.numpy as jnp

    env = ppo.make_craftax_env_from_name(NAME, False)
    env_params = env.default_params
    net = ppo.ActorCritic(env.action_space(env_params).n, config["LAYER_SIZE"])

    def evaluated(params, key):
        key, beginning = jax.random.split(key)
        obs, state = jax.vmap(env.reset, (0, None))(
            jax.random.split(beginning, EPISODES), env_params
        )

        def step(carry):
            time, key, obs, state, going, total = carry
            key, acting, stepping = jax.random.split(key, 3)
            action = net.apply(params, obs)[0].sample(seed=acting)
            obs, state, reward, done, _ = jax.vmap(env.step, (0, 0, 0, None))(
                jax.random.split(stepping, EPISODES), state, action, env_params
            )
            return time + 1, key, obs, state, going & ~done, total + going * reward

        going, total = jnp.ones(EPISODES, bool), jnp.zeros(EPISODES)
        carry = (0, key, obs, state, going, total)
        return jax.lax.while_loop(lambda carry: carry[4].any() & (carry[0] < LIMIT), step, carry)[
            -1
        ].mean()

    return jax.jit(jax.vmap(evaluated))(params, jax.random.split(jax.random.PRNGKey(1), seeds))


if __name__ == "__main__":
    main()
