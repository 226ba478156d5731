"""The cases of docs/results.md: which settings in which world, beside which published figures."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Published(NamedTuple):
    """A figure to stand beside ours at the same budget and protocol."""

    protocol: str
    value: float
    source: str


class Case(NamedTuple):
    env: str
    algo: str
    label: str
    published: tuple[Published, ...] = ()
    settings: Mapping[str, Any] = MappingProxyType({})  # on top of the preset
    threshold: float | None = None  # of a greedy evaluation, for the steps that it takes
    seeds: int = 16  # at most: what two cores do in a reasonable time
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.env, self.algo, self.label

    @property
    def title(self) -> str:
        return f"{self.algo}, {self.label}"


P1 = {
    "env_steps": 500_000, "algo.num_envs": 4, "algo.rollout_length": 128, "algo.num_minibatches": 4,
    "algo.num_epochs": 4, "algo.learning_rate": 2.5e-4, "algo.gamma": 0.99, "algo.gae_lambda": 0.95,
    "algo.clip_eps_final": None, "algo.value_clip_eps": 0.2, "algo.ent_coef": 0.01,
}  # fmt: skip
ZOO = "rl-baselines3-zoo, 1 seed"
RUN = "PureJaxRL, 16 seeds, run by us"

CARTPOLE = (
    Case("CartPole-v1", "ppo", "CleanRL's settings", (
        Published("T", 490.3, RUN), Published("T", 490.0, "CleanRL docs, 3 seeds"), Published("G", 500.0, RUN)),
        P1, 475.0),
    Case("CartPole-v1", "ppo", "preset", (
        Published("G", 500.0, ZOO), Published("T", 496.0, "PureJaxRL at these settings, IQM of 16 seeds")),
        threshold=475.0),
    Case("CartPole-v1", "a2c", "preset", (Published("G", 500.0, ZOO),), threshold=475.0),
    Case("CartPole-v1", "dqn", "preset", (Published("G", 500.0, ZOO),), threshold=475.0),
    Case("CartPole-v1", "dqn", "Double DQN", (Published("G", 500.0, f"DQN, {ZOO}"),),
         {"algo.double": True, "algo.prioritized": True, "algo.buffer_size": 50_000}, 475.0,
         note="With prioritised replay of the whole run; with the preset's other settings as they are, G is 450."),
    Case("CartPole-v1", "pqn", "preset", (Published("T", 495.1, "CleanRL docs, 3 seeds"),), threshold=475.0),
)  # fmt: skip
ACROBOT = (
    Case("Acrobot-v1", "ppo", "preset", (
        Published("S", -78.9, "gymnax-blines, 1 seed"), Published("T", -83.8, RUN),
        Published("T", -86.4, "CleanRL docs, 3 seeds")), threshold=-100.0),
    Case("Acrobot-v1", "a2c", "preset", (Published("G", -83.4, ZOO),), threshold=-100.0),
    Case("Acrobot-v1", "dqn", "preset", (Published("G", -76.6, ZOO),), threshold=-100.0),
    Case("Acrobot-v1", "dqn", "Double DQN", (Published("G", -76.6, f"DQN, {ZOO}"),),
         {"algo.double": True}, threshold=-100.0),
    Case("Acrobot-v1", "pqn", "preset", (Published("T", -95.6, "CleanRL docs, 3 seeds"),), threshold=-100.0),
)  # fmt: skip
CLASSIC = (
    Case("MountainCar-v0", "ppo", "preset", (Published("G", -110.4, ZOO), Published("S", -118.3, "gymnax-blines at "
         "240,000 steps, 1 seed")), threshold=-120.0),
    Case("MountainCar-v0", "a2c", "preset", (Published("G", -111.3, ZOO),), threshold=-120.0),
    Case("MountainCar-v0", "dqn", "preset", (Published("G", -100.8, ZOO),), threshold=-120.0),
    Case("Pendulum-v1", "ppo", "preset", (Published("G", -172.0, ZOO),)),
    Case("Pendulum-v1", "a2c", "preset", (Published("G", -163.0, f"{ZOO}, with gSDE"),)),
)  # fmt: skip
PUZZLES = (
    Case("Catch-bsuite", "ppo", "preset", (Published("S", 1.0, "gymnax-blines, 1 seed, from 32,000 steps"),)),
    Case("Catch-bsuite", "a2c", "preset"),
    Case("Catch-bsuite", "dqn", "preset"),
    Case("Catch-bsuite", "pqn", "preset"),
    Case("DeepSea-bsuite", "ppo", "preset", (Published("S", 0.0, "gymnax-blines, 1 seed"),),
         note="Size 8; with random network distillation. The best there is is 0.99."),
    Case("DeepSea-bsuite", "ppo", "without curiosity", (Published("S", 0.0, "gymnax-blines, 1 seed"),),
         {"algo.rnd.weight": 0.0}),
    Case("DeepSea-bsuite", "dqn", "preset", note="Size 8; with random network distillation."),
    Case("MemoryChain-bsuite", "ppo", "preset", note="Length 16, a recurrent policy; chance is 0."),
    Case("MemoryChain-bsuite", "ppo", "without a memory", (), {"algo.network.gru": None},
         note="The same without its recurrent layer: chance, as it must be."),
    Case("MemoryChain-bsuite", "a2c", "preset", note="Length 16, a recurrent policy; chance is 0."),
)  # fmt: skip
MINATAR = (
    Case("Breakout-MinAtar", "ppo", "preset", (
        Published("S", 22.9, "gymnax-blines at 10,000,000 steps, 1 seed"),), seeds=8),
)  # fmt: skip

CASES = CARTPOLE + ACROBOT + CLASSIC + PUZZLES + MINATAR
