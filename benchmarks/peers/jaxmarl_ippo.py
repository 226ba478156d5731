"""JaxMARL's IPPO, read from a checkout, on a team: its own settings, all seeds in one program.

    python benchmarks/peers/jaxmarl_ippo.py --source DIR --seeds 8 --env-steps 6000000

The file is `baselines/IPPO/ippo_ff_mpe.py`. Env steps are those of all agents together, as ours
are.
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
    whole_updates,
)

FILE = "baselines/IPPO/ippo_ff_mpe.py"
EPISODES = 128  # fresh ones a seed, actions sampled
NOTES = (
    "hydra, omegaconf and wandb are stand-ins that do nothing",
    "an episode cut by the time limit is treated as ended (JaxMARL's own way)",
    "env steps are those of all agents",
    f"final_return is an agent's, the mean of {EPISODES} fresh episodes a seed, actions sampled",
)


def settings(env_steps: int) -> dict[str, Any]:
    """Those of its own `config/ippo_ff_mpe.yaml`, with a number of env steps."""
    return {
        "ENV_NAME": TEAM.env.removeprefix("jaxmarl/"),
        "ENV_KWARGS": {},
        "NUM_ENVS": TEAM.num_envs,
        "NUM_STEPS": TEAM.rollout_length,
        "TOTAL_TIMESTEPS": env_steps // TEAM_SIZE,
        "UPDATE_EPOCHS": TEAM.num_epochs,
        "NUM_MINIBATCHES": TEAM.num_minibatches,
        "LR": TEAM.learning_rate,
        "ANNEAL_LR": True,
        "GAMMA": TEAM.gamma,
        "GAE_LAMBDA": TEAM.gae_lambda,
        "CLIP_EPS": TEAM.clip_eps,
        "ENT_COEF": TEAM.ent_coef,
        "VF_COEF": TEAM.vf_coef,
        "MAX_GRAD_NORM": TEAM.max_grad_norm,
        "ACTIVATION": TEAM.activation,
    }


def fresh_returns(module: ModuleType) -> Callable[[Any, Any], Any]:
    """(params, key) -> an agent's mean return of fresh episodes, [episode]."""
    import jax
    import jax.numpy as jnp
    import jaxmarl  # pyright: ignore[reportMissingImports]

    env = jaxmarl.make(TEAM.env.removeprefix("jaxmarl/"))
    net = module.ActorCritic(env.action_space(env.agents[0]).n, activation=TEAM.activation)

    def episode(params, key):
        key, begun = jax.random.split(key)
        obs, state = env.reset(begun)

        def step(carry, key):
            obs, state, going, total = carry
            acting, stepping = jax.random.split(key)
            seen = jnp.stack([obs[agent] for agent in env.agents])
            action = net.apply(params, seen)[0].sample(seed=acting)
            actions = {agent: action[i] for i, agent in enumerate(env.agents)}
            obs, state, reward, done, _ = env.step_env(stepping, state, actions)
            paid = jnp.stack([reward[agent] for agent in env.agents]).mean()
            return (obs, state, going & ~done["__all__"], total + going * paid), None

        keys = jax.random.split(key, env.max_steps)
        return jax.lax.scan(step, (obs, state, jnp.bool_(True), 0.0), keys)[0][-1]

    return lambda params, key: jax.vmap(episode, (None, 0))(params, jax.random.split(key, EPISODES))


def measure(args) -> tuple[Outcome, list[float]]:
    clock = ProcessClock(args.started)
    import jax

    from benchmarks.peers.compiled import time_program

    module = load(args.source, FILE)
    env_steps = whole_updates(args.env_steps // TEAM_SIZE, TEAM) * TEAM_SIZE
    train = module.make_train(settings(env_steps))
    result, timing = time_program(train, args.seeds, args.repeats, clock)
    params = result["runner_state"][0].params
    keys = jax.random.split(jax.random.PRNGKey(1), args.seeds)
    returns = jax.jit(jax.vmap(fresh_returns(module)))(params, keys).mean(axis=1)
    outcome = Outcome(
        version=installed("jaxmarl") or "unknown",
        env_steps=env_steps,
        **timing._asdict(),
        final_return=float(returns.mean()),
        notes=NOTES,
    )
    return outcome, [float(each) for each in returns]


if __name__ == "__main__":
    args = arguments(
        __doc__,
        ("--source", {"type": Path, "required": True, "help": "a checkout of FLAIROx/JaxMARL"}),
        least=TEAM.steps_per_update * TEAM_SIZE,
    )
    outcome, returns = measure(args)
    report("jaxmarl", args, outcome, sampled=returns)
