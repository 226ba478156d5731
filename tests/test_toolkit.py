"""The toolkit is the promise to authors of algorithms and environments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore import toolkit
from tests.sources import ROOT, broken
from tests.test_architecture import imported_modules

ALLOWED = {"cache_service.py": "elsinore.worlds.cache"}  # a plug-in is what it shows
SHOWN = [
    ROOT / "docs" / "reinforce.py",
    ROOT / "docs" / "variants.py",
    *sorted((ROOT / "examples").glob("*.py")),
    *sorted((ROOT / "demos").glob("*.py")),
]


def test_its_names_are_sorted_and_each_is_there_once():
    assert toolkit.__all__ == sorted(set(toolkit.__all__))


@pytest.mark.parametrize("name", toolkit.__all__)
def test_each_name_is_documented(name):
    text = getattr(toolkit, name).__doc__
    assert text and not text.startswith(f"{name}(")  # which Python writes where there is none


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_what_is_shown_uses_public_names_only(path):
    allowed = {"elsinore", "elsinore.toolkit"}
    allowed |= {f"elsinore.{name}" for name in elsinore.__all__}
    allowed |= {f"elsinore.toolkit.{name}" for name in toolkit.__all__}
    prefix = ALLOWED.get(path.name, "elsinore.toolkit")
    found = {m for m in imported_modules(path) if m.startswith("elsinore")}
    assert not {m for m in found - allowed if not m.startswith(prefix)}


def test_old_steps_can_be_kept_and_sampled_with_it():
    like = toolkit.Transition(
        obs=jnp.zeros(3),
        action=jnp.int32(0),
        reward=jnp.float32(1),
        terminated=jnp.bool_(False),
        truncated=jnp.bool_(False),
        final_obs=jnp.ones(3),
        log_prob=(),
    )
    memory = toolkit.replay_buffer(8, num_envs=2, n_step=2)
    rollout = jax.tree.map(lambda x: jnp.broadcast_to(x, (3, 2, *x.shape)), like)
    buffer = memory.add(memory.init(like), rollout)
    batch, _, weights = memory.sample(buffer, jax.random.key(0), 5, 0.9)
    np.testing.assert_allclose(batch.reward, [1.9] * 5, rtol=1e-6)
    assert batch.next_obs.shape == (5, 3) and (weights == 1).all()


def test_nothing_in_the_package_imports_it():
    assert broken(lambda path: "elsinore.toolkit" in imported_modules(path)) == {}
