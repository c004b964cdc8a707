"""A lane that makes nothing, and fails in many ways."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

LANE = """
    import os, signal, subprocess, sys, time
    from maskport.artifacts.manifest import Artifact, FileEntry
    from maskport.exporters.messages import REQUESTS, Finished, Started, Step, Stop

    print("noise while it is imported")

    def artifact(target):
        return Artifact(target=target, path="file", format="onnx", precision="fp32", bytes=1,
                        sha256="0" * 64, files=[FileEntry(path="file", bytes=1, sha256="0" * 64)],
                        inputs=[], outputs=[])

    def main(parent):
        for request, _ in parent.requests(REQUESTS):
            if isinstance(request, Stop):
                return
            name = request.target
            parent.send(Started(name))
            print("noise")
            if name == "tflite-fp16":
                os.kill(os.getpid(), signal.SIGSEGV)
            if name == "coreml-fp32":
                parent.send("no message")
            if name == "openvino-fp16":
                parent.send(Finished(name, artifact("savedmodel"), 0, {}))
            if name == "openvino-fp32":
                parent.send(Finished(name, artifact(name), -1, {}))
            if name == "executorch":
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                parent.send(Step(f"{os.getpid()} {child.pid}", name))
                time.sleep(600)
            parent.send(Finished(name, artifact(name), 0, {"pid": str(os.getpid())}))
"""


@pytest.fixture
def lane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command of a lane that dies in tflite-fp16, says nonsense in coreml-fp32, openvino-fp16
    and openvino-fp32, sleeps in executorch, and tells its process among the tools of the
    others."""
    (tmp_path / "odd_lane.py").write_text(textwrap.dedent(LANE))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return ["odd_lane:main"]
