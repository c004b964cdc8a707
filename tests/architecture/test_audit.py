"""`.ci/audit.py` fails where a vulnerability is known, and says where nobody could be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
FAULT = {"id": "PYSEC-2018-28", "fix_versions": ["2.20.0"], "aliases": [], "description": ""}


def audited(tmp_path: Path, answer: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "pip_audit.py").write_text(f"print({answer!r})")
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "2.19.0", **more}


@pytest.mark.parametrize(("faults", "code"), [([], 0), ([FAULT], 1)])
def test_a_known_vulnerability_fails(tmp_path: Path, faults: list[Any], code: int) -> None:
    packages = [package("requests", vulns=faults), package("torch", skip_reason="not found")]
    done = audited(tmp_path, json.dumps({"dependencies": packages}))
    assert done.returncode == code, done.stderr
    assert ("requests 2.19.0: PYSEC-2018-28, mended in 2.20.0" in done.stdout) == bool(faults)
    assert f"{len(faults)} known vulnerabilities in 1 packages." in done.stdout
    assert "NOT AUDITED: 1 packages" in done.stdout


def test_no_answer_is_no_clean_bill(tmp_path: Path) -> None:
    done = audited(tmp_path, "")
    assert done.returncode == 0 and "NOT AUDITED: pip-audit gave no answer" in done.stdout
