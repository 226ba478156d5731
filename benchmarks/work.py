"""Our side of the comparison: the same work as `benchmarks/peers`, and the same JSON line.

    python -m benchmarks.work --seeds 4 --repeats 3 [--work dqn]

Everything of ours is included: episode statistics, evaluations (of PPO), the convergence test,
chunks launched by the host. With `--host` it is a whole run of PPO instead, every sink on.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks.peers.work import BRAX, ENV_KWARGS, NAVIX, P2, P3, Q2, TEAM, TEAM_SIZE, PPOSettings
from benchmarks.peers.work import Q1 as DQN
from benchmarks.peers.work import S1 as CONTINUOUS

P1 = {  # PureJaxRL's settings, which are CleanRL's
    "algo.num_envs": 4,
    "algo.rollout_length": 128,
    "algo.num_minibatches": 4,
    "algo.num_epochs": 4,
    "algo.learning_rate": 2.5e-4,
    "algo.learning_rate_final": 0.0,
    "algo.gamma": 0.99,
    "algo.gae_lambda": 0.95,
    "algo.clip_eps": 0.2,
    "algo.clip_eps_final": None,
    "algo.value_clip_eps": 0.2,
    "algo.ent_coef": 0.01,
    "algo.vf_coef": 0.5,
    "algo.max_grad_norm": 0.5,
    "convergence.enabled": False,
}

TRAINING_ONLY = {"convergence.enabled": False, "evaluation.episodes": 1, "evaluation.max_steps": 1}

Q1 = TRAINING_ONLY | {
    "algo.num_envs": DQN.num_envs,
    "algo.buffer_size": DQN.buffer_size,
    "algo.batch_size": DQN.batch_size,
    "algo.learning_starts": DQN.learning_starts,
    "algo.target_period": DQN.target_period,
    "algo.gamma": DQN.gamma,
    "algo.learning_rate": DQN.learning_rate,
    "algo.epsilon": DQN.epsilon,
    "algo.epsilon_final": DQN.epsilon_final,
    "algo.epsilon_fraction": DQN.epsilon_fraction,
    "algo.network.hidden": list(DQN.hidden_sizes),
    "algo.network.activation": DQN.activation,
    "algo.max_grad_norm": float("inf"),
    "algo.double": False,
    "algo.dueling": False,
    "algo.prioritized": False,
    "algo.n_step": 1,
    "algo.rollout_length": 1,
    "algo.gradient_steps": 1,
    "algo.loss": "mse",
    "algo.optimiser": "adam",
    "algo.tau": 1.0,
    "algo.learning_rate_final": None,
}

S1 = TRAINING_ONLY | {
    "algo.num_envs": CONTINUOUS.num_envs,
    "algo.rollout_length": 1,
    "algo.gradient_steps": 1,
    "algo.buffer_size": CONTINUOUS.buffer_size,
    "algo.batch_size": CONTINUOUS.batch_size,
    "algo.learning_starts": CONTINUOUS.learning_starts,
    "algo.learning_rate": CONTINUOUS.learning_rate,
    "algo.learning_rate_final": None,
    "algo.gamma": CONTINUOUS.gamma,
    "algo.tau": CONTINUOUS.tau,
    "algo.network.hidden": list(CONTINUOUS.hidden_sizes),
    "algo.network.activation": CONTINUOUS.activation,
    "algo.network.layer_norm": False,
    "algo.num_critics": 2,
    "algo.n_step": 1,
    "algo.prioritized": False,
    "algo.noise_correlation": 0.0,
    "algo.normalize_obs": False,
    "algo.normalize_rewards": False,
}
T1 = S1 | {
    "algo.policy_delay": CONTINUOUS.policy_delay,
    "algo.exploration_noise": CONTINUOUS.exploration_noise,
    "algo.target_noise": CONTINUOUS.target_noise,
    "algo.target_noise_clip": CONTINUOUS.target_noise_clip,
}
SAC1 = S1 | {"algo.tune_temperature": True, "algo.temperature": 1.0, "algo.quantiles": 1}

# MinAtar's Breakout, its observation read as one vector by layers of the peers' sizes
AS_VECTOR = {"algo.network.encoder": "mlp", "algo.network.layer_norm": False}


def over_a_vector(work: PPOSettings) -> dict:
    """PPO's settings of a peer's work, whose networks read the observation as one vector."""
    return (
        P1
        | TRAINING_ONLY
        | AS_VECTOR
        | {
            "algo.num_envs": work.num_envs,
            "algo.rollout_length": work.rollout_length,
            "algo.num_minibatches": work.num_minibatches,
            "algo.ent_coef": work.ent_coef,
            "algo.network.hidden": list(work.hidden_sizes),
            "algo.network.activation": work.activation,
            "algo.network.shared": False,
            "algo.normalize_obs": False,
            "algo.normalize_rewards": False,
            "env_kwargs": ENV_KWARGS.get(work.env, {}),
        }
    )


TEAM_OF_OURS = (
    P1
    | TRAINING_ONLY
    | {
        "algo.num_envs": TEAM.num_envs,
        "algo.network.hidden": list(TEAM.hidden_sizes),
        "algo.network.activation": TEAM.activation,
        "algo.network.shared": False,
        "agents.number": TEAM_SIZE,
        "agents.sharing": "shared",
    }
)

Q2_OF_OURS = Q1 | AS_VECTOR | {"algo.network.hidden": list(Q2.hidden_sizes)}

GYM_CHEETAH = P1 | {
    "algo.num_envs": P3.num_envs,
    "algo.rollout_length": P3.rollout_length,
    "algo.num_minibatches": P3.num_minibatches,
    "algo.num_epochs": P3.num_epochs,
    "algo.learning_rate": P3.learning_rate,
    "algo.ent_coef": P3.ent_coef,
    "algo.normalize_obs": False,
    "algo.normalize_rewards": False,
}

WORKS = {
    "gym_cartpole": P1 | TRAINING_ONLY,
    "gym_cheetah": GYM_CHEETAH | TRAINING_ONLY,
    "envpool_cartpole": P1 | TRAINING_ONLY,
    "envpool_cheetah": GYM_CHEETAH
    | TRAINING_ONLY
    | {"algo.normalize_obs": True, "algo.normalize_rewards": True},
    "ppo": P1,
    "dqn": Q1,
    "sac": SAC1,
    "td3": T1,
    "breakout_ppo": over_a_vector(P2),
    "navix_ppo": over_a_vector(NAVIX),
    "brax_ppo": over_a_vector(BRAX),
    "jaxmarl_ppo": TEAM_OF_OURS,
    "breakout_dqn": Q2_OF_OURS,
}
ON_HOST = {  # what a work's env is named here
    "gym_cartpole": "gym/CartPole-v1",
    "gym_cheetah": f"gym/{P3.env}",
    "envpool_cartpole": "envpool/CartPole-v1",
    "envpool_cheetah": f"envpool/{P3.env}",
}
# of works named otherwise
BY_NAME = {
    "breakout_ppo": P2.env,
    "navix_ppo": NAVIX.env,
    "brax_ppo": BRAX.env,
    "jaxmarl_ppo": TEAM.env,
}
ALGORITHMS = {"breakout_dqn": "dqn"} | dict.fromkeys((*BY_NAME, *ON_HOST), "ppo")
PEERS_WORK = {"dqn": DQN, "sac": CONTINUOUS, "td3": CONTINUOUS, "breakout_dqn": Q2}
ENVS = ON_HOST | BY_NAME | {name: work.env for name, work in PEERS_WORK.items()}


def process_age() -> float:
    """Seconds since this process started, by the kernel's count."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--env-steps", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--layout", default="auto")
    parser.add_argument("--work", choices=WORKS, default="ppo")
    parser.add_argument(
        "--settings", type=json.loads, default={}, help="a JSON object, in place of the work's own"
    )
    parser.add_argument(
        "--host", action="store_true", help="a whole run, every sink on, beside the bare chunks"
    )
    parser.add_argument(
        "--until", type=float, help="train until each seed's evaluations reach this, and stop"
    )
    args = parser.parse_args()
    if args.host:
        measured = host_overhead(args)
    elif args.until:
        measured = until(args)
    else:
        measured = bare_chunks(args)
    import jax

    print(json.dumps({"peer": "elsinore", "jax": jax.__version__, "seeds": args.seeds, **measured}))


def planned(args, work: str = "ppo", **settings):
    """The plan and the layout of this work, with `args`'s env_steps, seeds and layout."""
    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.training.layout import layout_for

    overrides = (
        WORKS[work]
        | {"env_steps": args.env_steps, "seeds": args.seeds, "layout": args.layout}
        | settings
    )
    env, algo = ENVS.get(work, "CartPole-v1"), ALGORITHMS.get(work, work)
    plan = plan_for(load_experiment(env, algo, overrides=overrides))
    return plan, layout_for(args.seeds, args.layout, single_launch=plan.single_launch)


def bare_chunks(args) -> dict:
    """Steps a second of the compiled chunks alone, launched one after another."""
    import jax

    from benchmarks.programs import all_compiled

    plan, layout = planned(args, args.work, **args.settings)
    compiled = all_compiled(plan, layout)
    begun = lambda: jax.block_until_ready(compiled.init())  # noqa: E731
    seconds = [launch_all(plan, compiled, begun()) for _ in range(args.repeats)]
    found = {
        "env_steps": plan.env_steps,
        "compile_seconds": compiled.seconds,
        "run_seconds": seconds,
        "steps_per_second": [plan.env_steps * args.seeds / s for s in seconds],
    }
    if args.work in PEERS_WORK:
        steps = PEERS_WORK[args.work].gradient_steps(plan.env_steps)
        found |= {
            "gradient_steps": steps,
            "gradient_steps_per_second": [steps * args.seeds / s for s in seconds],
        }
    return found


def launch_all(plan, compiled, state) -> float:
    """Seconds that a run's chunks take when nobody looks at them."""
    import jax
    import jax.numpy as jnp

    began = time.perf_counter()
    for chunk in range(plan.schedule.num_chunks):
        state, report = compiled.chunk(state, jnp.int32(plan.schedule.updates_in(chunk)))
    jax.block_until_ready(report)
    return time.perf_counter() - began


def host_overhead(args) -> dict:
    """The host loop with every sink on, against the same chunks bare; alternated."""
    import jax

    from benchmarks.programs import all_compiled
    from elsinore.runs import session
    from elsinore.runs.loop import Publisher, train_loop
    from elsinore.runs.pipeline import Pipeline
    from elsinore.runs.run_dir import RunDir

    plan, layout = planned(args)
    compiled = all_compiled(plan, layout)
    begun = lambda: jax.block_until_ready(compiled.init())  # noqa: E731
    bare, hosted = [], []
    with tempfile.TemporaryDirectory() as place:
        for repeat in range(args.repeats):
            bare.append(launch_all(plan, compiled, begun()))
            folder = RunDir.create(Path(place), f"run{repeat}", plan.experiment)
            opened = session.open_session(folder, plan, None, ())
            workers = opened.workers
            # until every sink has opened: MLflow takes seconds, of another core, once a run
            time.sleep(15)
            listeners = [*workers.listeners, *workers.sinks]
            began = time.perf_counter()
            train_loop(
                Pipeline(plan, layout, compiled, begun(), 0, opened.controls, plan.looks_ahead),
                Publisher(plan, workers.store, listeners, opened.scores, opened.run_actions),
                session.manager_of(opened, layout),
                offer=lambda states, passed: None,  # no replays
            )
            hosted.append(time.perf_counter() - began)
            opened.close()
    ratios = [h / b for h, b in zip(hosted, bare, strict=True)]
    return {
        "env_steps": plan.env_steps,
        "bare_seconds": bare,
        "hosted_seconds": hosted,
        "ratios": ratios,
    }


def until(args) -> dict:
    """A run from process start until every seed has converged at `--until`."""
    import elsinore
    from elsinore.runs.store.store import Store

    with tempfile.TemporaryDirectory() as place:
        settings = {k: v for k, v in P1.items() if k != "convergence.enabled"}
        settings |= {
            "convergence.target": args.until,
            "env_steps": args.env_steps,
            "layout": args.layout,
        }
        run = elsinore.train("CartPole-v1", seeds=args.seeds, runs_dir=place, overrides=settings)
        done = process_age()
        summary = run.summary
        store = Store(run.path / "metrics.sqlite", read_only=True)
        seen = done - (time.time() - store.chunks()[-1][2])  # when the host heard of the last chunk
        store.close()
    reached = all(summary["converged"])
    return {
        "env_steps": summary["env_steps"],
        "compile_seconds": summary["compile_seconds"],
        "process_start_to_done_seconds": done,
        f"seconds_to_{args.until:g}": seen if reached else None,
        "final_return": summary["eval_return"]["mean"],
    }


if __name__ == "__main__":
    main()
