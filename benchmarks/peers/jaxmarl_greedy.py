"""The training of a value learner of JaxMARL's, and the greedy returns of what it has learnt."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.peers.jaxmarl_baselines import load
from benchmarks.peers.work import (
    TEAM,
    TEAM_SIZE,
    Outcome,
    ProcessClock,
    arguments,
    installed,
    report,
)

EPISODES = 128  # fresh ones a seed, greedy
TEAM_SETTINGS = {
    "ENV_NAME": TEAM.env.removeprefix("jaxmarl/"),
    "ENV_KWARGS": {},
    "TEST_DURING_TRAINING": False,
    "TEST_NUM_ENVS": EPISODES,
    "WANDB_MODE": "disabled",
}
NOTES = (
    "hydra, omegaconf and wandb are stand-ins that do nothing",
    "an episode cut by the time limit is treated as ended (JaxMARL's own way)",
    "env steps are those of all agents",
    f"final_return is an agent's, the mean of {EPISODES} fresh episodes a seed, greedy",
)


def greedy_returns(
    module: ModuleType, env: Any, network: dict[str, Any]
) -> Callable[[Any, Any], Any]:
    """(variables of the network, key) -> an agent's mean return of fresh episodes, [episode]."""
    import jax
    import jax.numpy as jnp

    # which tells agents apart by a one-hot number after their observations, as in training
    envs = module.CTRolloutManager(env, batch_size=EPISODES)
    net = module.QNetwork(action_dim=envs.max_action_space, **network)

    def returns(variables, key):
        begun, played = jax.random.split(key)

        def step(carry, key):
            obs, state = carry
            actions = {a: jnp.argmax(net.apply(variables, obs[a]), axis=-1) for a in env.agents}
            obs, state, reward, done, _ = envs.batch_step(key, state, actions)
            paid = jnp.stack([reward[agent] for agent in env.agents]).mean(axis=0)
            return (obs, state), (paid, done["__all__"])

        keys = jax.random.split(played, env.max_steps)
        paid, done = jax.lax.scan(step, envs.batch_reset(begun), keys)[1]
        return jnp.where(done[:-1].any(), jnp.nan, paid.sum(axis=0))  # the limit ends them all

    return returns


def main(
    doc: str | None,
    file: str,
    settings: dict[str, Any],
    learnt: Callable[[Any], Any],
    network: dict[str, Any],
    notes: tuple[str, ...] = (),
) -> None:
    """Train by the command line's arguments and print the outcome; `learnt` takes the variables of
    the network out of the last train state, and `network` has the network's own settings."""
    a_rollout = settings["NUM_ENVS"] * settings["NUM_STEPS"] * TEAM_SIZE
    args = arguments(
        doc,
        ("--source", {"type": Path, "required": True, "help": "a checkout of FLAIROx/JaxMARL"}),
        least=a_rollout,
    )
    clock = ProcessClock(args.started)
    import jax

    from benchmarks.peers.compiled import time_program

    module = load(args.source, file)
    asked = TEAM_SETTINGS | settings | {"TOTAL_TIMESTEPS": args.env_steps // TEAM_SIZE}
    env, _ = module.env_from_config(asked)
    train = module.make_train(asked, env)

    result, timing = time_program(
        lambda key: learnt(train(key)["runner_state"][0]), args.seeds, args.repeats, clock
    )
    keys = jax.random.split(jax.random.PRNGKey(1), args.seeds)
    returns = jax.jit(jax.vmap(greedy_returns(module, env, network)))(result, keys).mean(axis=1)
    outcome = Outcome(
        version=installed("jaxmarl") or "unknown",
        env_steps=args.env_steps // a_rollout * a_rollout,
        **timing._asdict(),
        final_return=float(returns.mean()),
        notes=NOTES + notes,
    )
    report("jaxmarl", args, outcome, greedy=[float(each) for each in returns])
