"""Fill an example app: a bundle's files, and what is to be known of them.

    python examples/copy_bundle.py exports/demo web
    python examples/copy_bundle.py exports/demo web --targets onnx-fp16,onnx-int8
    python examples/copy_bundle.py exports/demo ios
    python examples/copy_bundle.py exports/demo android --targets tflite-int8

Each platform is a function that writes into the app and yields what it wrote. What it writes, git
ignores; it replaces what was there of another bundle.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from maskport.artifacts.bundle import Bundle, load_bundle, spec_of, verify_artifact
from maskport.artifacts.manifest import Artifact
from maskport.artifacts.snippets import Snippet, snippets
from maskport.artifacts.snippets.render import plain
from maskport.errors import BundleError, InputError, MaskportError, UsageError
from maskport.scenes import scene

EXAMPLES = Path(__file__).resolve().parent
# Of scenes that are easy to cut out; chosen by looking at what they draw.
SCENES = {"bird": 23, "cars": 13, "jug": 15}


def web(bundle: Bundle, artifacts: list[Artifact], app: Path) -> Iterator[Path]:
    """ONNX files beside the page, the snippet for onnxruntime-web as a module of each, and a JSON
    file of all that the page says and asks for."""
    models, modules = emptied(app / "public/models"), emptied(app / "src/generated")
    photos = list(sample_photos(emptied(app / "public/photos")))
    entries = []
    for artifact in artifacts:
        code = snippet(bundle, artifact, "ort_web")
        module = modules / f"{artifact.target}.js"
        module.write_text(code.text, encoding="utf-8")
        yield copied(bundle.file(artifact.target), models)
        yield module
        entry = constants(bundle, artifact)
        entries.append(entry | {"file": f"models/{entry['file']}", "type": Path(code.file).stem})
    listed = modules / "bundle.json"
    about = facts(bundle) | {"artifacts": entries, "photos": [f"photos/{p.name}" for p in photos]}
    listed.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    yield from (*photos, listed)


def ios(bundle: Bundle, artifacts: list[Artifact], app: Path) -> Iterator[Path]:
    """One Core ML package, Vision's code for it, and what the app calls the two."""
    sources = app / "CutOut.swiftpm/App"
    models, network = emptied(sources / "Model"), emptied(sources / "Network")
    artifact = chosen_for_an_app(artifacts)
    code = snippet(bundle, artifact, "vision")
    name = Path(code.file).stem
    yield copied(bundle.file(artifact.target), models)
    yield written(network / code.file, code.text)
    lines = [f"    static let {key} = {literal(text)}" for key, text in shown(bundle, artifact)]
    text = [
        "// Written by copy_bundle.py.",
        "",
        f"typealias Segmenter = {name}",
        f"typealias Masks = {name}Masks",
        f"typealias Pixels = {name}Pixels",
        "",
        "/// What the app says of its network.",
        "enum Network {",
        *lines,
        "}",
    ]
    yield written(network / "Network.swift", "\n".join(text) + "\n")


def android(bundle: Bundle, artifacts: list[Artifact], app: Path) -> Iterator[Path]:
    """One TFLite file, LiteRT's code for it, and what the app calls the two."""
    main, package = app / "app/src/main", "com.example.cutout.network"
    assets, network = main / "assets", emptied(main / "kotlin" / package.replace(".", "/"))
    assets.mkdir(parents=True, exist_ok=True)  # other things of an app may lie there
    for older in assets.glob("*.tflite"):
        older.unlink()
    artifact = chosen_for_an_app(artifacts)
    code = snippet(bundle, artifact, "compiled_model")
    name = Path(code.file).stem
    yield copied(bundle.file(artifact.target), assets)
    # A file without a package can't be imported by those that have one.
    comment, _, rest = code.text.partition("\nimport ")
    yield written(network / code.file, f"{comment}\npackage {package}\n\nimport {rest}")
    lines = [
        f"    const val {key.upper()} = {literal(text).replace('$', chr(92) + '$')}"
        for key, text in shown(bundle, artifact)
    ]
    text = [
        "// Written by copy_bundle.py.",
        "",
        f"package {package}",
        "",
        f"typealias Segmenter = {name}",
        f"typealias Masks = {name}Masks",
        "",
        "/** What the app says of its network. */",
        "object Network {",
        *lines,
        "}",
    ]
    yield written(network / "Network.kt", "\n".join(text) + "\n")


@dataclass(frozen=True)
class Platform:
    """Whose app takes which formats, and what fills it."""

    formats: tuple[str, ...]
    fill: Callable[[Bundle, list[Artifact], Path], Iterator[Path]]


PLATFORMS = {
    "android": Platform(("tflite",), android),
    "ios": Platform(("coreml",), ios),
    "web": Platform(("onnx",), web),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="what `maskport export` wrote")
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("--targets", default="all", help="or formats, separated by commas")
    parser.add_argument("--app", type=Path, help="where the app is, if not beside this script")
    given = parser.parse_args()
    try:
        for path in fill(
            load_bundle(given.bundle),
            given.platform,
            given.app or EXAMPLES / given.platform,
            [name.strip() for name in given.targets.split(",")],
        ):
            print(path)
    except MaskportError as exc:
        print(f"{exc.what}\n{exc.remedy}", file=sys.stderr)
        sys.exit(exc.exit_code)


def fill(bundle: Bundle, platform: str, app: Path, targets: list[str]) -> Iterator[Path]:
    """Write a platform's files into its app; yields what was written.

    Raises:
        UsageError: The bundle has none of these targets, or nothing that the app takes.
        BundleError: A file isn't what the manifest says.
        InputError: The app's folder can't be written.
    """
    formats = PLATFORMS[platform].formats
    named = bundle.selected(targets)
    chosen = [a for a in named if a.format in formats and snippets(bundle.manifest, a)]
    if not chosen:
        raise UsageError(
            f"The {platform} app takes none of {', '.join(a.target for a in named) or 'nothing'}.",
            f"Export a target of {', '.join(formats)} that takes one photo and gives its masks.",
        )
    differences = [line for artifact in chosen for line in verify_artifact(bundle, artifact)]
    if differences:
        raise BundleError("\n".join(differences), "Export the bundle again.")
    try:
        yield from PLATFORMS[platform].fill(bundle, chosen, app)
    except OSError as exc:
        raise InputError(
            f"{app} can't be written: {exc.strerror or exc}.", "Give another --app."
        ) from exc


def chosen_for_an_app(artifacts: list[Artifact]) -> Artifact:
    """The file in half precision, which phones compute in; else the first."""
    return min(artifacts, key=lambda artifact: artifact.precision != "fp16")


def shown(bundle: Bundle, artifact: Artifact) -> Iterator[tuple[str, str]]:
    """What an app shows of its network, and which file it is."""
    yield "name", bundle.manifest.network.name
    yield "target", artifact.target
    yield "file", bundle.file(artifact.target).name
    yield "sha256", artifact.sha256
    yield "license", bundle.manifest.checkpoint.license


def literal(text: str) -> str:
    """As Swift and, but for dollars, Kotlin write a string."""
    return json.dumps(plain(text), ensure_ascii=False)


def snippet(bundle: Bundle, artifact: Artifact, variant: str) -> Snippet:
    """The code for an app that runs an artifact by one of its runtimes."""
    return next(s for s in snippets(bundle.manifest, artifact) if s.variant == variant)


def facts(bundle: Bundle) -> dict[str, Any]:
    """What holds for every file of a bundle."""
    manifest, spec = bundle.manifest, spec_of(bundle.manifest)
    return {
        "network": manifest.network.name,
        "parameters": manifest.network.parameters,
        "license": manifest.checkpoint.license,
        "source": manifest.checkpoint.source,
        "width": spec.image.width,
        "height": spec.image.height,
        "divide_by": spec.image.divide_by,
        "normalization": spec.mask.normalization,
        "threshold": spec.mask.threshold,
        "labels": list(spec.mask.labels),
    }


def constants(bundle: Bundle, artifact: Artifact) -> dict[str, Any]:
    """What one artifact is, takes and gives."""
    return {
        "target": artifact.target,
        "precision": artifact.precision,
        "file": bundle.file(artifact.target).name,
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "input": artifact.inputs[0].model_dump(exclude_none=True),
        "output": artifact.outputs[0].model_dump(exclude_none=True),
    }


def sample_photos(folder: Path) -> Iterator[Path]:
    """Generated scenes, for those who have no photo at hand."""
    for name, seed in SCENES.items():
        path = folder / f"{name}.jpg"
        Image.fromarray(scene(seed, 480, 640).photo).save(path, quality=92)
        yield path


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def emptied(folder: Path) -> Path:
    """A folder that holds only what this script writes, with nothing of the last time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def copied(path: Path, folder: Path) -> Path:
    """An artifact's file or folder, in another folder."""
    if path.is_dir():
        return Path(shutil.copytree(path, folder / path.name))
    return Path(shutil.copy(path, folder))


if __name__ == "__main__":
    main()
