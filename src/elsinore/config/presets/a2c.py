"""What A2C is run with, by environment."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {}
