"""The arguments of `elsinore train`."""

import argparse

from elsinore.cli.arguments import (
    Assign,
    add_accept,
    add_no_check,
    add_runs_dir,
    add_seeds,
    add_settings,
    add_trust,
)

# Settings that have a flag of their own.
SHORT_FOR = {
    "env_steps": "environment steps of each seed",
    "algo.num_envs": "environments that run in parallel",
    "algo.learning_rate": "step size of the optimiser",
    "algo.gamma": "discount of future rewards",
}


def add_train_arguments(train: argparse.ArgumentParser) -> None:
    train.add_argument(
        "env",
        nargs="?",
        metavar="ENV",
        help="environment: a known name (`elsinore envs`), a preset (ppo/CartPole-v1) or"
        " 'module:Class' (default: CartPole-v1)",
    )
    train.add_argument("--algo", help="algorithm: a known name or 'module:function' (default: ppo)")
    add_settings(train)
    for name, help in SHORT_FOR.items():
        flag = "--" + name.rsplit(".", 1)[-1].replace("_", "-")
        train.add_argument(
            flag, dest="assignments", action=Assign, const=name, metavar="N", help=help
        )
    train.add_argument(
        "--double",
        dest="assignments",
        action="append_const",
        const="algo.double=true",
        help="Double DQN: short for --set algo.double=true",
    )
    train.add_argument(
        "--dashboard",
        dest="assignments",
        action="append_const",
        const="sinks.dashboard=true",
        help="curves in the terminal while training: short for --set sinks.dashboard=true",
    )
    add_seeds(train, default=1)
    train.add_argument(
        "--name", help="directory name of the run (default: from env, algorithm and time)"
    )
    train.add_argument(
        "--go-on",
        action="store_true",
        help="resume the run of that --name if it has begun, begin it otherwise: one command for a"
        " job that a scheduler repeats",
    )
    add_runs_dir(train)
    train.add_argument(
        "--plan", action="store_true", help="print the plan and its memory use without training"
    )
    train.add_argument(
        "-r",
        "--resume",
        metavar="RUN",
        help="run to resume, with its own settings; --env-steps N gives it another budget, as does"
        " --set stop.episodes=N where it ends by episodes",
    )
    train.add_argument(
        "--from",
        dest="from_run",
        metavar="RUN[@CHECKPOINT]",
        help="begin a new run with what RUN learnt: its best checkpoint, or RUN@latest,"
        " RUN@periodic/0000000160; without ENV, --algo and --config, with its settings, too",
    )
    train.add_argument(
        "--from-parts",
        default="policy",
        metavar="PARTS",
        help="parts of that checkpoint: policy (parameters and normalisers; default), learner (also"
        " optimiser and target networks) or all (also the replay buffer; with RUN's settings,"
        " continue where it ended)",
    )
    train.add_argument(
        "--from-leave",
        action="append",
        default=[],
        metavar="NAME",
        help="part that begins anew, e.g. network.head or stats.obs; repeatable",
    )
    train.add_argument(
        "--from-seed",
        type=int,
        metavar="N",
        help="seed of RUN that all seeds begin from (default: each its own, or the best)",
    )
    train.add_argument(
        "--fall-back", action="store_true", help="skip broken checkpoints when resuming"
    )
    add_accept(train, "a run")
    train.add_argument(
        "--grace",
        type=float,
        metavar="SECONDS",
        help="longest time from SIGTERM or SIGHUP to the end; the final evaluation is left out if"
        " it does not fit (default: 20)",
    )
    train.add_argument(
        "--watch",
        action="store_true",
        help="show the run on a live page in the browser (`elsinore watch`)",
    )
    train.add_argument(
        "--profile",
        nargs="?",
        const="phases",
        choices=("phases", "trace"),
        help="print at the end how long each phase and each compiled program took, and write it to"
        " profile.json in the run's directory; `trace` also writes a jax.profiler trace of the"
        " first ten seconds of training to profile/",
    )
    train.add_argument(
        "--distributed",
        nargs="?",
        const="auto",
        metavar="HOST:PORT,N,I",
        help="train one run with several processes, each started by this command: found by SLURM,"
        " Open MPI, Kubernetes or a TPU pod, or given as the first one's address, the number of"
        " processes and this one's number from 0",
    )
    add_trust(train)
    add_no_check(train)
