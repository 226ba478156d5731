"""Measurements as data that a stopped driver continues from: one JSON file, one row each."""

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


class Results:
    """What has been measured so far of one piece of work, in a file that is always whole.

    Other work than the file's, or another machine, or `again`, begins it anew. With `anywhere` the
    machine does not count.
    """

    def __init__(
        self, path: Path, work: dict[str, Any], again: bool = False, anywhere: bool = False
    ):
        self.path = path
        head = {"machine": machine(), "work": json.loads(json.dumps(work))}
        found = json.loads(path.read_text()) if path.exists() and not again else {}
        here = _place(found.get("machine", {})) == _place(head["machine"])
        goes_on = found.get("work") == head["work"] and (here or anywhere)
        self.data = found if goes_on else {**head, "rows": []}

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.data["rows"]

    def measure(self, measure: Callable[[], dict[str, Any]], **what: Any) -> dict[str, Any]:
        """The row of `what`, measured and saved if it is not there yet."""
        for row in self.rows:
            if what.items() <= row.items():
                return row
        row = what | {"load_before": os.getloadavg()[0]} | measure()
        self.rows.append(row)
        self.save()
        return row

    def save(self, **conclusions: Any) -> None:
        self.data |= conclusions
        self.path.parent.mkdir(exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self.data, indent=1) + "\n")
        unfinished.replace(self.path)


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def accelerator() -> dict[str, str]:
    """What a row says of the device that trained it: nothing of a CPU."""
    import jax

    device = jax.devices()[0]
    return {} if device.platform == "cpu" else {"device": device.device_kind}


def _place(machine: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in machine.items() if name != "date"}
