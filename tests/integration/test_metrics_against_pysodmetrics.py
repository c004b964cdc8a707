"""The metrics against pysodmetrics, scikit-image and scikit-learn, where an environment has them.

pysodmetrics pins an older NumPy than maskport's, so it can't be installed beside it:

    python -m venv /tmp/other && /tmp/other/bin/pip install pysodmetrics scikit-image
    MASKPORT_SODMETRICS_PYTHON=/tmp/other/bin/python pytest tests/integration -k pysodmetrics
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskport.metrics import SALIENCY

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "metrics_against_others.py"
PYTHON = os.environ.get("MASKPORT_SODMETRICS_PYTHON")

pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="MASKPORT_SODMETRICS_PYTHON names no Python that has pysodmetrics",
)


@pytest.fixture(scope="module", params=[11, 12])
def differences(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("metrics") / "differences.json"
    command = [sys.executable, str(BENCHMARK), "--python", str(PYTHON)]
    command += ["--seed", str(request.param), "--json", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(out.read_text(encoding="utf-8"))


def test_every_metric_agrees_where_the_definitions_do(differences: Any) -> None:
    for name, row in differences["rows"].items():
        assert row["difference"] <= row["limit"] <= 1e-6, name


def test_every_measure_of_salient_objects_was_compared(differences: Any) -> None:
    assert SALIENCY.keys() <= differences["rows"].keys()


def test_only_the_degenerate_cases_were_left_out(differences: Any) -> None:
    # The four reasons that docs/metrics.md gives
    assert len(differences["left_out"]) <= 4, differences["left_out"]
    per_photo = {
        name: row["cases"]
        for name, row in differences["rows"].items()
        if row["worst"] != "the whole set" and "," not in name and row["cases"] > 1
    }
    assert min(per_photo.values()) >= 40, per_photo
