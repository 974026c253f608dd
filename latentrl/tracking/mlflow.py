"""MLflow: where ``MLFLOW_TRACKING_URI`` says, else in MLflow's own place in the folder that one is in."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latentrl.tracking.base import Beginning, Ending, Kind, flat

STATES: Mapping[Ending, str] = MappingProxyType({"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"})
PARAMETERS = 100
"""That MLflow takes at a time."""
LONGEST = 500
"""Characters of a parameter's value, that every version of MLflow takes."""
REFUSED = re.compile(r"[^\w.\- /]")
"""In names of figures."""


class Mlflow:
    """A run in MLflow, reached through its client: whoever uses MLflow's own active run beside it keeps it."""

    def __init__(self, beginning: Beginning) -> None:
        import mlflow

        self._library, self._client = mlflow, mlflow.MlflowClient()
        self._uri, self._project = mlflow.get_tracking_uri(), beginning.project
        if beginning.run is not None:
            self._run = beginning.run
            self._client.update_run(self._run, status="RUNNING")
            return
        tags = {"group": beginning.group, "part": beginning.part or "training"}
        self._run = self._client.create_run(self._experiment(), tags=tags, run_name=beginning.name).info.run_id
        settings = list(flat(beginning.settings).items())
        for start in range(0, len(settings), PARAMETERS):
            some = settings[start : start + PARAMETERS]
            parameters = [mlflow.entities.Param(name, str(value)[:LONGEST]) for name, value in some]
            self._client.log_batch(self._run, params=parameters)

    def _experiment(self) -> str:
        found: Any = self._client.get_experiment_by_name(self._project)
        known: str = self._client.create_experiment(self._project) if found is None else found.experiment_id
        return known

    @property
    def run(self) -> str | None:
        return self._run

    @property
    def where(self) -> str:
        return f"mlflow ui --backend-store-uri {self._uri}; experiment {self._project}, run {self._run}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        now = round(1000 * time.time())
        metric = self._library.entities.Metric
        metrics = [metric(REFUSED.sub("_", name), value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def log_file(self, path: Path) -> None:
        self._client.log_artifact(self._run, str(path))

    def finish(self, ending: Ending) -> None:
        self._client.set_terminated(self._run, STATES[ending])


MLFLOW = Kind(Mlflow, "mlflow")
