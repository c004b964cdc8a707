"""Starting is cheap: importing maskport, or asking for help, loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "ai_edge_litert",
    "coremltools",
    "cryptography",
    "cv2",
    "executorch",
    "fastapi",
    "fsspec",
    "gdown",
    "huggingface_hub",
    "keras",
    "mediapipe",
    "model_signing",
    "numpy",
    "onnx",
    "onnx2tf",
    "onnxruntime",
    "onnxsim",
    "PIL",
    "pillow_heif",
    "pydantic",
    "safetensors",
    "scipy",
    "sigstore",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tf_keras",
    "torch",
    "torchao",
    "uvicorn",
}

IMPORT = "import maskport"
HELP = """
import sys
from maskport.cli.main import main
sys.argv = ["maskport", "--help"]
try:
    code = main()
except SystemExit as end:
    code = end.code
assert not code, code
"""
SAY_WHAT_IS_LOADED = """
import sys
print("\\nloaded:", *{name.partition(".")[0] for name in sys.modules})
"""


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after `code`."""
    run = subprocess.run(
        [sys.executable, "-c", code + SAY_WHAT_IS_LOADED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    last = run.stdout.strip().splitlines()[-1]
    return set(last.removeprefix("loaded:").split())


# pytest loads it wherever maskport is installed.
PLUGIN = "import maskport.testing.plugin"


@pytest.mark.parametrize(
    "code", [IMPORT, HELP, PLUGIN], ids=["import maskport", "maskport --help", "pytest"]
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert "maskport" in loaded
    assert not loaded & HEAVY


def test_a_bundles_files_are_drawn_without_torch() -> None:
    """It takes a second to load, of the three in which a photo is cut out."""
    loaded = loaded_by("import maskport.apps.batch, maskport.segmenting, maskport.cli.apply.kinds")
    assert "numpy" in loaded
    assert "torch" not in loaded
