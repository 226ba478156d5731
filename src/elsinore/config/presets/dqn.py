"""What DQN is run with, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {}
