"""Data as JSON, which has neither NaN nor infinities nor blobs: all of them become null."""

import math
from typing import Any


def plain(data: Any) -> Any:
    """`data` with null for each number that is not finite and each blob.

    Raises:
        RecursionError: if it is nested too deeply.
    """
    if isinstance(data, dict):
        return {str(name): plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if isinstance(data, bytes) or (isinstance(data, float) and not math.isfinite(data)):
        return None
    return data
