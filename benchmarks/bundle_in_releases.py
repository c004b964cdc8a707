"""The ONNX and TFLite files of a bundle in other releases of their runtimes, masks compared.

    python benchmarks/bundle_in_releases.py exports/sky --images photos/ \
        --release tflite 'TensorFlow Lite 2.14.0' /envs/tflite-2.14/bin/python \
        --release onnx 'ONNX Runtime 1.17.3' /envs/ort-1.17.3/bin/python

Each release is tried in an interpreter that has it, with nothing of maskport
(`tests/conformance/in_release.py`). Prints a table: the MAE against PyTorch, or the reason of a
refusal below it.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from maskport import load_bundle
from maskport.imaging.convert import photo_to_input
from maskport.imaging.photos import list_photos, read_photo
from maskport.models.checkpoints import load_weights
from maskport.models.prepared import Reference
from maskport.models.resolve import resolve
from maskport.specs import ModelSpec

SCRIPT = Path(__file__).parents[1] / "tests" / "conformance" / "in_release.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--release", nargs=3, action="append", required=True)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    spec = ModelSpec.from_dict(bundle.manifest.spec)
    found = resolve(bundle.manifest.network.factory, spec, None)
    load_weights(found.module, bundle.path / "reference.safetensors")
    photos = [read_photo(path) for path in list_photos(arguments.images).paths]
    images = np.concatenate([photo_to_input(photo, spec.image) for photo in photos])
    references = Reference(found.module, spec).draw(images, "cpu")
    reasons = []
    with tempfile.TemporaryDirectory() as folder:
        given, drawn = Path(folder, "images.npy"), Path(folder, "masks.npy")
        np.save(given, images)
        for kind in dict.fromkeys(kind for kind, _, _ in arguments.release):
            artifacts = [a for a in bundle.manifest.artifacts if a.format == kind]
            print("| release |" + "".join(f" `{a.target}` |" for a in artifacts))
            print("|---|" + "---|" * len(artifacts))
            for name, python in [(n, p) for k, n, p in arguments.release if k == kind]:
                cells = []
                for artifact in artifacts:
                    file = bundle.path / artifact.path
                    command = [python, "-I", str(SCRIPT), str(file), str(given), str(drawn)]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.stdout.strip() == "loaded":
                        cells.append(f"{np.abs(np.load(drawn) - references).mean():.1e}")
                    else:
                        cells.append("crashed" if done.returncode < 0 else "refused")
                        reasons.append(f"{artifact.target} in {name}: {done.stdout.strip()}")
                print(f"| {name} |" + "".join(f" {cell} |" for cell in cells), flush=True)
    print("\n".join(reasons))


if __name__ == "__main__":
    main()
