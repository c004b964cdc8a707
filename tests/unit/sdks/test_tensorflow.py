"""TensorFlow is imported in an order that no process dies of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskport.sdks.needs import not_installed

IMPORT = """
import importlib.util, sys
from maskport.sdks.slim import tensorflow
tensorflow()
assert "tensorflow" in sys.modules
if importlib.util.find_spec("triton"):
    import triton
print(" ".join(sorted({"tensorflow", "triton"} & set(sys.modules))))
"""


def modules_after(path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What is loaded after the import, in a process of its own that may crash."""
    places = [*([str(path)] if path else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", IMPORT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def pretended(tmp_path: Path) -> Path:
    """A TensorFlow that can't bear a Triton that comes later, as the real one's on Linux."""
    (tmp_path / "tensorflow.py").write_text("import sys\nassert 'triton' in sys.modules\n")
    (tmp_path / "triton.py").write_text("import sys\nassert 'tensorflow' not in sys.modules\n")
    return tmp_path


def test_triton_comes_before_tensorflow(pretended: Path) -> None:
    done = modules_after(pretended)
    assert done.returncode == 0, done.stderr
    assert {"tensorflow", "triton"} <= set(done.stdout.split())


def test_a_triton_that_cannot_be_imported_is_no_hindrance(pretended: Path) -> None:
    (pretended / "triton.py").write_text("raise ImportError('no libcuda')\n")
    (pretended / "tensorflow.py").write_text("")
    done = modules_after(pretended)
    assert "no libcuda" in done.stderr  # by the test's own import, after ours
    assert "sdks/slim.py" not in done.stderr


@pytest.mark.sdk
@pytest.mark.skipif(bool(not_installed(["tensorflow"])), reason="needs maskport[tflite]")
def test_the_real_ones_live_in_one_process() -> None:
    done = modules_after()
    assert done.returncode == 0, done.stderr[-2000:]
