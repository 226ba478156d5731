"""The platform and the types that JAX is set to: a sentence where a run cannot use them."""

import jax

from elsinore.errors import ConfigError

NOT_FINITE = "such a number stands for what is not known yet, as before the first evaluation"
UNFIT = {  # settings of JAX, and why they cannot be on
    "jax_enable_x64": "training, policies and checkpoints are in float32",
    "jax_debug_nans": NOT_FINITE,
    "jax_debug_infs": NOT_FINITE,
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
            " (distributed=True), or start each without jax.distributed.initialize and with its own"
            " --name and --seed."
        )
    return None


def refuse_jax_settings(*names: str) -> None:
    """Refuse to begin while one of these settings of JAX is on.

    Raises:
        ConfigError: with a remedy.
    """
    for name in names:
        if getattr(jax.config, name):
            raise ConfigError(
                f"{name}=True cannot be used: {UNFIT[name]}. Unset {name.upper()}, or call"
                f" jax.config.update({name!r}, False) first."
            )
