"""A tiny experiment for each algorithm, with whatever it carries from chunk to chunk, in
seconds."""

from typing import Any, NamedTuple

from elsinore.config.presets.dqn_variants import RAINBOW
from tests.runs.conftest import TINY

CHUNKS = 40


class Learner(NamedTuple):
    """Settings, and the parts of the state without which it would go on otherwise."""

    settings: dict[str, Any]
    parts: tuple[str, ...]
    env: str = "CartPole-v1"
    seeds: int = 2

    @property
    def overrides(self) -> dict[str, Any]:
        """Of a whole experiment: CHUNKS chunks, saved after every one."""
        period, steps = self.settings["evaluation.period"], self.settings["env_steps"]
        base = {name: value for name, value in TINY.items() if not name.startswith("algo.")}
        every = {
            "checkpoints.interval_seconds": 0,
            "checkpoints.period": 7,
            "convergence.enabled": False,
        }
        return (
            base
            | every
            | self.settings
            | {
                "env_steps": steps * period * CHUNKS,
                "algo.network.hidden": [8],
            }
        )


def on_policy(**more) -> dict[str, Any]:
    """Four envs of 16 steps; chunks of 4 updates."""
    return {
        "env_steps": 64,
        "evaluation.period": 4,
        "algo.num_envs": 4,
        "algo.rollout_length": 16,
    } | more


def off_policy(**more) -> dict[str, Any]:
    """Four envs of one step, so chunks of 50 updates; the buffer is full, and written over, after
    five chunks."""
    small = {"buffer_size": 1000, "batch_size": 16, "learning_starts": 100}
    return {"env_steps": 4, "evaluation.period": 50, "algo.name": "dqn", "algo.num_envs": 4} | {
        f"algo.{name}": value for name, value in (small | more).items()
    }


PPO = {"algo.name": "ppo", "algo.num_minibatches": 2, "algo.num_epochs": 2}
PQN = {"algo.name": "pqn", "algo.num_minibatches": 2, "algo.num_epochs": 2}
SAC_PARTS = (
    "train.learner.params.actor",
    "train.learner.opt_state.actor",
    "train.learner.target_params.critics",
    "train.learner.temperature",
    "train.learner.buffer",
)
# An episode ends after 40 steps, so that several do in a chunk.
PENDULUM = {"env_params.max_steps_in_episode": 40}
RND = {"weight": 0.1, "hidden": [8], "features": 4, "batch_size": 16, "anneal": 0.99,
       "anneal_share": 0.01, "anneal_variance": 1e6}  # fmt: skip
CURIOUS = {f"algo.rnd.{name}": value for name, value in RND.items()}

LEARNERS = {
    "ppo with a memory": Learner(
        on_policy(**PPO, **{"algo.network.gru": 8}),
        ("train.actor.carry", "train.actor.env_state", "train.learner.opt_state"),
    ),
    "ppo that wonders": Learner(
        on_policy(**PPO, **CURIOUS, **{"algo.normalize_obs": True, "algo.normalize_rewards": True}),
        ("train.rnd", "train.stats", "train.update"),
    ),
    "ppo of shards": Learner(  # of one seed, which so is on both devices, two shards on each
        on_policy(**PPO, **{"algo.normalize_obs": True, "algo.normalize_rewards": True})
        | {"shards": 4},
        ("train.learner.opt_state", "train.actor.env_state", "train.stats", "train.update"),
        seeds=1,
    ),
    "dqn of shards": Learner(
        off_policy(prioritized=True, n_step=3, normalize_obs=True) | {"shards": 4},
        ("train.learner.buffer", "train.learner.opt_state", "train.stats", "train.update"),
        seeds=1,
    ),
    "a2c": Learner(
        on_policy(**{"algo.name": "a2c"}),
        ("train.learner.opt_state", "train.learner.params", "train.actor.env_state"),
    ),
    "agents that differ": Learner(
        on_policy(
            **PPO,
            agents=[
                {"id": "ann", "network": {"gru": 8}},
                {
                    "id": "bob",
                    "algo": "dqn",
                    "network": {"hidden": [8]},
                    "buffer_size": 1000,
                    "batch_size": 16,
                    "learning_starts": 100,
                    "gradient_steps": 4,
                },
                {"id": "cat", "learning_rate": 1e-3, "network": {"gru": 8}},
            ],
        )
        | {"env_steps": 3 * 64},
        (
            "train.learner.groups",
            "train.actor.carry",
            "train.actor.env_state",
            "train.update",
        ),
    ),
    "ppo with a joint critic": Learner(
        on_policy(
            **PPO,
            **{
                "agents.number": 2,
                "agents.sharing": "shared",
                "agents.critic": "joint",
                "agents.ids": True,
                "algo.network.gru": 8,
                "algo.normalize_obs": True,
            },
        )
        | {"env_steps": 2 * 64},
        ("train.actor.carry", "train.learner.opt_state", "train.stats"),
    ),
    "dqn with everything": Learner(
        off_policy(
            double=True,
            dueling=True,
            n_step=3,
            prioritized=True,
            target_period=120,
            epsilon_schedule="episodes",
            epsilon_decay=0.99,
        ),
        (
            "train.learner.target_params",
            "train.learner.episodes",
            "train.learner.buffer.tree",
            "train.learner.buffer.replay",
        ),
    ),
    "dqn by small steps": Learner(
        off_policy(tau=0.05, target_period=4, gradient_steps=2),
        ("train.learner.target_params", "train.learner.buffer", "train.learner.opt_state"),
    ),
    "rainbow": Learner(
        off_policy(**RAINBOW, atoms=11, v_min=0.0, v_max=50.0, rollout_length=2, target_period=120)
        | {"env_steps": 8, "evaluation.period": 25},
        (
            "train.learner.params",
            "train.learner.target_params",
            "train.learner.buffer.tree",
            "train.update",
        ),
    ),
    "sac with everything": Learner(
        off_policy(n_step=3, prioritized=True, noise_correlation=0.5, rollout_length=2)
        | PENDULUM
        | {"algo.name": "sac", "algo.normalize_obs": True, "env_steps": 8},
        (
            "train.learner.params.actor",
            "train.learner.opt_state.actor",
            "train.learner.opt_state.critics",
            "train.learner.target_params.critics",
            "train.learner.temperature",
            "train.learner.buffer.tree",
            "train.learner.buffer.replay",
            "train.stats",
        ),
        "Pendulum-v1",
    ),
    "sac with noise of the state": Learner(  # of one rollout's steps, in pairs
        off_policy(action_distribution="gsde", noise_period=2, rollout_length=4, gradient_steps=4)
        | PENDULUM
        | {"algo.name": "sac", "env_steps": 16},
        SAC_PARTS,
        "Pendulum-v1",
    ),
    "sac with a beta policy": Learner(  # whose samples are drawn by rejection
        off_policy(action_distribution="beta") | PENDULUM | {"algo.name": "sac"},
        SAC_PARTS,
        "Pendulum-v1",
    ),
    "td3": Learner(
        off_policy() | PENDULUM | {"algo.name": "td3"},
        (
            "train.learner.params.critics",
            "train.learner.target_params.actor",
            "train.learner.target_params.critics",
            "train.learner.buffer",
        ),
        "Pendulum-v1",
    ),
    "dqn with a memory": Learner(
        off_policy(sequence_length=4, burn_in=2, prioritized=True) | {"algo.network.lru": 8},
        ("train.actor.carry", "train.learner.buffer.tree", "train.learner.buffer.replay"),
    ),
    "pqn with a memory": Learner(
        on_policy(**PQN, **{"algo.network.lstm": 8}),
        ("train.actor.carry", "train.learner.opt_state"),
    ),
    "sac of n actions": Learner(
        off_policy() | {"algo.name": "sac_discrete"},
        (
            "train.learner.params.actor",
            "train.learner.target_params.critics",
            "train.learner.temperature",
            "train.learner.buffer",
        ),
    ),
    "ppo with popart and vtrace": Learner(
        on_policy(**PPO, **{"algo.popart": True, "algo.advantage": "vtrace"}),
        ("train.learner.params", "train.learner.opt_state"),
    ),
    "ppo against itself": Learner(  # chunks of 4 updates, of which each third is frozen
        on_policy(**PPO, self_play={"pool": 4, "period": 3, "latest": 0.3}),
        ("curriculum.pool", "curriculum.frozen", "train.env_params", "train.actor.env_state"),
        "Nim",
    ),
    "dqn against itself": Learner(
        off_policy(learning_rate=0.03) | {"self_play": {"pool": 4, "period": 7, "latest": 0.3}},
        ("curriculum.pool", "curriculum.frozen", "train.learner.buffer"),
        "Nim",
    ),
    "pqn of a team": Learner(
        on_policy(
            **PQN,
            **{
                "agents.number": 2,
                "agents.sharing": "shared",
                "agents.mixing": "sum",
                "algo.network.gru": 8,
                "algo.normalize_obs": True,
            },
        )
        | {"env_steps": 2 * 64},
        ("train.actor.carry", "train.learner.opt_state", "train.stats"),
    ),
    "pqn": Learner(
        on_policy(**PQN), ("train.learner.opt_state", "train.actor.obs", "train.update")
    ),
}

# The others have between them every kind of part: carries, optimisers, statistics, RND, shards,
# groups, targets, buffers, priorities and a temperature. For test_exact_resume.py all but DQN
# are slow by measurement (tests/slow_cases.txt), so that `make test` has its parts alone.
SLOW = (
    "ppo with a memory",
    "a2c",
    "pqn",
    "td3",
    "rainbow",
    "dqn by small steps",
    "dqn of shards",
    "ppo against itself",
    "dqn against itself",
    "ppo with a joint critic",
    "dqn with a memory",
    "pqn of a team",
    "pqn with a memory",
    "sac of n actions",
    "sac with noise of the state",
    "sac with a beta policy",
    "ppo with popart and vtrace",
)
