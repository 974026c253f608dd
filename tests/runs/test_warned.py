"""What a training warned of, said once more in short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latentrl.metrics.failures import constraint_failures, failures
from latentrl.runs.folder import METRICS
from latentrl.runs.warned import repeated

FIGURES = {"untold_share": 0.9, "told_displacement": 0.1, "mse_predict_near": 0.3, "mse_still_near": 0.2}


def test_each_warning_is_repeated_by_what_is_amiss(tmp_path: Path) -> None:
    warnings = [*constraint_failures(0.3, 0.1, False), *failures(FIGURES)]
    assert len(warnings) == 4
    (tmp_path / METRICS).write_text(json.dumps({"warnings": warnings, **FIGURES}))
    (said,) = repeated(tmp_path)
    for warning in warnings:
        amiss, _, more = warning.partition(":")
        assert amiss in said and more not in said
    assert str(tmp_path / METRICS) in said and len(said) < len("".join(warnings))


@pytest.mark.parametrize(
    "content", [None, "{}", '{"warnings": []}', '{"warnings": 3}', "no JSON"], ids=["no file", "none", "[]", "3", "bad"]
)
def test_without_any_nothing_is_said(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / METRICS).write_text(content)
    assert repeated(tmp_path) == []
