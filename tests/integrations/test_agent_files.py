"""What the file of an agent may hold, and whose code it may name."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import gymnasium
import jax
import numpy as np
import pytest

import elsinore
from elsinore.errors import ConfigError

BOX, TWO = gymnasium.spaces.Box(0.0, 1.0, (3,), np.float32), gymnasium.spaces.Discrete(2)


class OneLayer(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        both = nn.Dense(self.num_outputs + 1)(obs)
        return both[:-1], both[-1]


def rewritten(path: Path, change, **others) -> Path:
    """The file with its header changed, and its signature kept unless another is given."""
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files}
    about = change(json.loads(str(parts["about"])))
    np.savez(path, **parts | {"about": np.array(json.dumps(about))} | others)
    return path


@pytest.fixture
def saved(tmp_path) -> Path:
    return elsinore.Agent("dqn", BOX, TWO, **{"network.hidden": [4]}).save(tmp_path / "agent.npz")


@pytest.fixture
def stranger(tmp_path, monkeypatch) -> Iterator[Path]:
    """The mark that a stranger's module leaves when it is imported."""
    mark = tmp_path / "mark"
    module = f"open({str(mark)!r}, 'w').close()\ndef make(config, obs): ...\n"
    (tmp_path / "strange_agent.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    yield mark
    sys.modules.pop("strange_agent", None)


@pytest.mark.parametrize("setting", ["name", "network.custom", "network.encoder"])
def test_code_that_a_strangers_file_names_is_imported_only_with_trust(setting, saved, stranger):
    def change(about):
        *parents, last = setting.split(".")
        here = about["algo"]
        for parent in parents:
            here = here[parent]
        here[last] = "strange_agent:make"
        return about

    rewritten(saved, change)
    with pytest.raises(ConfigError, match=f"names code, algo.{setting}='strange_agent:make'"):
        elsinore.Agent.load(saved)
    assert not stranger.exists()
    with pytest.raises((ConfigError, TypeError, AttributeError)):
        elsinore.Agent.load(saved, trust=True)
    assert stranger.exists()


@pytest.mark.parametrize("signature", ["", "ü" * 64, "0" * 64])
def test_a_forged_signature_is_none(signature, saved, stranger):
    def change(about):
        about["algo"]["name"] = "strange_agent:make"
        return about

    rewritten(saved, change, signature=np.array(signature))
    with pytest.raises(ConfigError, match="carries no signature of yours"):
        elsinore.Agent.load(saved)
    assert not stranger.exists()


def test_a_strangers_file_without_code_needs_no_trust(saved):
    def change(about):
        return about | {"seed": 1}

    assert elsinore.Agent.load(rewritten(saved, change)).updates == 0


def test_ones_own_file_with_code_of_ones_own_needs_no_trust(tmp_path):
    custom = {"network.custom": f"{__name__}:OneLayer"}
    agent = elsinore.Agent("ppo", BOX, TWO, **custom)
    sizes = [x.size for x in jax.tree.leaves(agent.state.learner.params)]
    assert sum(sizes) == 3 * 3 + 3  # it is the network that was named
    loaded = elsinore.Agent.load(agent.save(tmp_path / "agent.npz"))
    obs = np.ones(3, np.float32)
    assert loaded.act(obs, greedy=True) == agent.act(obs, greedy=True)
    assert loaded.config.network.custom == custom["network.custom"]


def with_observations(about: dict, **space) -> dict:
    return about | {"spaces": [space, about["spaces"][1]]}


ODD = {
    "its header is no mapping": lambda about: [1],
    "its header has no env_steps": lambda about: about | {"env_steps": "many"},
    "one space": lambda about: about | {"spaces": about["spaces"][:1]},
    "no num_envs": lambda about: about | {"algo": {"name": "dqn"}},
    "has format 2, and this elsinore reads 3": lambda about: about | {"format": 2},
    "has 1,000,000,000 steps of a rollout of": lambda about: about | {"steps": 10**9},
    "has -1 steps of a rollout of": lambda about: about | {"steps": -1},
    "no agent that Agent.save wrote: 'low'": lambda about: with_observations(about, kind="Box"),
    "no agent that Agent.save wrote: 'int'": lambda about: with_observations(
        about, kind="Dict", spaces=3
    ),
    "agent.npz: seed=1180591620717411303424 must be": lambda about: about | {"seed": 2**70},
}


@pytest.mark.parametrize("reason", ODD)
def test_a_header_that_save_would_not_write_is_refused(reason, saved):
    said = {"one space": "not that of an agent", "no num_envs": "not that of an agent"}
    with pytest.raises(ConfigError, match=said.get(reason, reason)):
        elsinore.Agent.load(rewritten(saved, ODD[reason]))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_short_is_refused(share, saved):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConfigError, match="is no agent that Agent.save wrote"):
        elsinore.Agent.load(saved)


def test_bytes_that_were_changed_are_refused(saved):
    whole = bytearray(saved.read_bytes())
    middle = whole.find(b"leaf_0.npy") + 100
    whole[middle] ^= 255
    saved.write_bytes(whole)
    with pytest.raises(ConfigError, match="is no agent that Agent.save wrote: Bad CRC-32"):
        elsinore.Agent.load(saved)


def test_a_small_file_that_unpacks_to_much_is_refused(saved):
    with np.load(saved) as file:
        parts = {name: file[name] for name in file.files}
    np.savez_compressed(saved, **parts | {"leaf_0": np.zeros(10**7, np.float32)})
    assert saved.stat().st_size < 10**6
    with pytest.raises(ConfigError, match=r"it unpacks to 40,\d+,\d+ bytes, more than it has"):
        elsinore.Agent.load(saved)


def test_a_path_that_none_can_be_is_refused(saved):
    for call in (elsinore.Agent.load, elsinore.Agent.load(saved).save):
        with pytest.raises(ConfigError, match="is no path; use one without NUL"):
            call("a\0b")
