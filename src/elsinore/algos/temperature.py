"""Settings of the temperature, the weight of the entropy in SAC, for continuous and n actions."""

from elsinore import validation
from elsinore.algos.off_policy import OffPolicyConfig
from elsinore.config_records import inherited, settings
from elsinore.hyperparameters import traced


@settings
class TemperatureConfig(OffPolicyConfig):
    """Settings of SAC's forms: those of `OffPolicyConfig`, and of a temperature."""

    num_critics: int = inherited()  # Critics, of whose values the least counts.
    temperature: float = traced(1.0)  # Weight of the entropy, at first.
    tune_temperature: bool = True  # Tune it towards the target entropy.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.not_negative(self, "temperature")
        if self.tune_temperature and self.temperature == 0.0:
            raise ValueError(
                "temperature=0.0 cannot be tuned, since its logarithm is; choose one above 0, or"
                " tune_temperature: false."
            )
