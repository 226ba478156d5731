"""JaxMARL's VDN, read from a checkout, on a team: its own settings, all seeds in one program.

    python benchmarks/peers/jaxmarl_vdn.py --source DIR --seeds 8 --env-steps 30000000

The file is `baselines/QLearning/vdn_ff.py`, the settings `config/alg/vdn_ff_mpe.yaml`, whose
network of two "layers" is one linear layer. Env steps are those of all agents together, as ours
are: 30,000,000 are its own budget.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.jaxmarl_baselines import load  # noqa: E402
from benchmarks.peers.work import (  # noqa: E402
    TEAM,
    TEAM_SIZE,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

FILE = "baselines/QLearning/vdn_ff.py"
EPISODES = 128  # fresh ones a seed, greedy
SETTINGS = {
    "NUM_ENVS": 32,
    "NUM_STEPS": 16,
    "BUFFER_SIZE": 1e5,
    "BUFFER_BATCH_SIZE": 32,
    "HIDDEN_SIZE": 64,
    "NUM_LAYERS": 2,
    "EPS_START": 1.0,
    "EPS_FINISH": 0.05,
    "EPS_DECAY": 0.1,
    "MAX_GRAD_NORM": 25,
    "TARGET_UPDATE_INTERVAL": 200,
    "TAU": 1.0,
    "NUM_EPOCHS": 1,
    "LR": 0.005,
    "LEARNING_STARTS": 10_000,
    "LR_LINEAR_DECAY": True,
    "GAMMA": 0.9,
    "TEST_DURING_TRAINING": False,
    "TEST_NUM_ENVS": EPISODES,
    "WANDB_MODE": "disabled",
}
NOTES = (
    "hydra, omegaconf and wandb are stand-ins that do nothing",
    "an episode cut by the time limit is treated as ended (JaxMARL's own way)",
    "env steps are those of all agents",
    "the network of its settings is one linear layer",
    f"final_return is an agent's, the mean of {EPISODES} fresh episodes a seed, greedy",
)


def fresh_returns(module: ModuleType, env: Any) -> Callable[[Any, Any], Any]:
    """(params, key) -> an agent's mean return of fresh episodes, [episode]."""
    import jax
    import jax.numpy as jnp

    # which tells agents apart by a one-hot number after their observations, as in training
    envs = module.CTRolloutManager(env, batch_size=EPISODES)
    net = module.QNetwork(
        action_dim=envs.max_action_space,
        hidden_size=SETTINGS["HIDDEN_SIZE"],
        num_layers=SETTINGS["NUM_LAYERS"],
    )

    def returns(params, key):
        begun, played = jax.random.split(key)

        def step(carry, key):
            obs, state = carry
            actions = {a: jnp.argmax(net.apply(params, obs[a]), axis=-1) for a in env.agents}
            obs, state, reward, done, _ = envs.batch_step(key, state, actions)
            paid = jnp.stack([reward[agent] for agent in env.agents]).mean(axis=0)
            return (obs, state), (paid, done["__all__"])

        keys = jax.random.split(played, env.max_steps)
        paid, done = jax.lax.scan(step, envs.batch_reset(begun), keys)[1]
        return jnp.where(done[:-1].any(), jnp.nan, paid.sum(axis=0))  # the limit ends them all

    return returns


def measure(args) -> tuple[Outcome, list[float]]:
    clock = ProcessClock(args.started)
    import jax

    from benchmarks.peers.compiled import time_program

    module = load(args.source, FILE)
    asked = SETTINGS | {
        "ENV_NAME": TEAM.env.removeprefix("jaxmarl/"),
        "ENV_KWARGS": {},
        "TOTAL_TIMESTEPS": args.env_steps // TEAM_SIZE,
    }
    env, _ = module.env_from_config(asked)
    train = module.make_train(asked, env)
    result, timing = time_program(
        lambda key: train(key)["runner_state"][0].params, args.seeds, args.repeats, clock
    )
    keys = jax.random.split(jax.random.PRNGKey(1), args.seeds)
    returns = jax.jit(jax.vmap(fresh_returns(module, env)))(result, keys).mean(axis=1)
    a_update = SETTINGS["NUM_ENVS"] * SETTINGS["NUM_STEPS"]
    outcome = Outcome(
        version=installed("jaxmarl") or "unknown",
        env_steps=args.env_steps // TEAM_SIZE // a_update * a_update * TEAM_SIZE,
        **timing._asdict(),
        final_return=float(returns.mean()),
        notes=NOTES,
    )
    return outcome, [float(each) for each in returns]


if __name__ == "__main__":
    args = arguments(
        __doc__,
        ("--source", {"type": Path, "required": True, "help": "a checkout of FLAIROx/JaxMARL"}),
        least=SETTINGS["NUM_ENVS"] * SETTINGS["NUM_STEPS"] * TEAM_SIZE,
    )
    outcome, returns = measure(args)
    report("jaxmarl", args, outcome, greedy=returns)
