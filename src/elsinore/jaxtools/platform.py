"""The platform and the types that JAX is set to: a sentence where a run cannot use them."""

from typing import Any, NamedTuple

import jax

from elsinore.errors import ConfigError


class Unfit(NamedTuple):
    """Values of a setting of JAX that cannot be used."""

    values: tuple[Any, ...]
    why: str
    usual: Any  # a value that can be used


_UNROLLED = "every loop is unrolled then, into a program that is too large to compile"
_TRANSFERS = "numbers of the host enter the program at its beginning and at every chunk"
_NOT_FINITE = "such a number stands for what is not known yet, as before the first evaluation"
UNFIT = {
    "jax_enable_x64": Unfit((True,), "training, policies and checkpoints are in float32", False),
    "jax_disable_jit": Unfit((True,), _UNROLLED, False),
    "jax_no_tracing": Unfit((True,), "the program is traced before it is compiled", False),
    "jax_numpy_rank_promotion": Unfit(
        ("raise",), "the biases of a layer are added to each row of a batch", "allow"
    ),
    "jax_numpy_dtype_promotion": Unfit(
        ("strict",), "counts, which are integers, are multiplied by real numbers", "standard"
    ),
} | {
    f"jax_transfer_guard{way}": Unfit(("disallow", "disallow_explicit"), _TRANSFERS, "allow")
    for way in ("", "_host_to_device")  # with the other two a run trains
}
UNFIT_FOR_TRAINING = {
    f"jax_debug_{numbers}": Unfit((True,), _NOT_FINITE, False) for numbers in ("nans", "infs")
}


def platform_refusal(several: bool = False) -> str | None:
    """Why a run cannot start on the platform that was asked for, with a remedy; None where it
    can. `several`: the run was asked to have several processes."""
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # without a plug-in JAX fails an assertion
        asked = jax.config.jax_platforms
        reason = str(error).split(" (set ")[0] or "this installation of JAX has no such platform"
        return (
            f"JAX_PLATFORMS={asked!r} cannot be used: {reason.rstrip('.')}. Unset it or set it to"
            " cpu; a GPU needs its driver and elsinore[cuda12] or elsinore[cuda13]."
        )
    if jax.process_count() > 1 and not several:
        return (
            f"jax.distributed has joined {jax.process_count()} processes, and each would train the"
            " same seeds and write the same files. Train one run with all of them by --distributed"
            " (in Python, distributed=True), or start each without jax.distributed.initialize and"
            " with its own name and seed."
        )
    return None


def refuse_jax_settings(settings: dict[str, Unfit] = UNFIT) -> None:
    """Refuse to begin while a setting of JAX has a value with which nothing can run.

    Raises:
        ConfigError: with a remedy.
    """
    for name, unfit in settings.items():
        value = getattr(jax.config, name)
        value = getattr(value, "value", value)  # of an enumeration
        if value in unfit.values:
            raise ConfigError(
                f"{name}={value!r} cannot be used: {unfit.why}. Unset {name.upper()}, or call"
                f" jax.config.update({name!r}, {unfit.usual!r}) first."
            )


def refuse_default_device() -> None:
    """Refuse to train while JAX is set to compute elsewhere than a run would.

    Raises:
        ConfigError: with a remedy.
    """
    chosen = jax.config.jax_default_device
    if chosen is None:
        return
    first = jax.local_devices()[0]
    if chosen not in (first, first.platform):
        raise ConfigError(
            f"jax_default_device={str(chosen)!r} cannot be used: runs use the devices of a platform"
            f" from its first one on, here {str(first)!r}. Leave it out and choose by the variables"
            " JAX_PLATFORMS, or CUDA_VISIBLE_DEVICES of GPUs, before JAX starts."
        )
