"""The example apps for phones parse, filled from a bundle, and compile against stand-ins for SDKs
where there is a compiler."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from maskport.artifacts.bundle import Bundle, describe_files, load_bundle, write_manifest
from maskport.artifacts.snippets import LANGUAGES, Snippet
from maskport.errors import BundleError, UsageError

from ..compilers import (
    compile_kotlin,
    compile_swift,
    kotlin_libraries,
    run,
    stubs_in,
    tool,
    without_submodules,
)
from ..unit.artifacts.test_snippets import KINDS, entry, errors_in

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
STUBS = ROOT / "tests/unit/artifacts/stubs"
NETWORK = Path("app/src/main/kotlin/com/example/cutout/network")
BY_SUFFIX = {".swift": "swift", ".kt": "kt", ".kts": "kt"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("copy_bundle", EXAMPLES / "copy_bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["copy_bundle"] = module
    spec.loader.exec_module(module)
    return module


def bundle_of(folder: Path, kind: str, *precisions: str, name: str = "demo") -> Bundle:
    """A bundle of files that hold nothing, for what isn't run."""
    folder.mkdir()
    artifacts = []
    for precision in precisions:
        manifest, artifact = entry(*KINDS[kind])
        file = folder / artifact.path.replace(artifact.format, f"{artifact.format}-{precision}", 1)
        if file.suffix == ".mlpackage":
            file.mkdir()
            (file / "Manifest.json").write_text("{}")
        else:
            file.write_bytes(precision.encode())
        files, size, digest = describe_files(file, folder)
        found = {"path": file.name, "files": files, "bytes": size, "sha256": digest}
        named = {"target": f"{artifact.format}-{precision}", "precision": precision}
        artifacts.append(artifact.model_copy(update=found | named))
    network = manifest.network.model_copy(update={"name": name})
    write_manifest(folder, manifest.model_copy(update={"network": network, "artifacts": artifacts}))
    return load_bundle(folder)


def filled(script: ModuleType, bundle: Bundle, platform: str, folder: Path) -> Path:
    """An app with a bundle's files."""
    app = Path(shutil.copytree(EXAMPLES / platform, folder / platform))
    for written in script.fill(bundle, platform, app, ["all"]):
        assert written.exists()
    return app


def unparsable(app: Path) -> list[str]:
    """What the grammar of a file's language can't read."""
    found = []
    for file in sorted(app.rglob("*.*")):
        if file.suffix in BY_SUFFIX:
            language = LANGUAGES[BY_SUFFIX[file.suffix]]
            found += errors_in(Snippet(language, "", file.name, file.read_text(encoding="utf-8")))
        elif file.suffix == ".toml":
            tomllib.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".xml":
            ElementTree.parse(file)
    return found


@pytest.mark.parametrize("name", ["demo", 'a "b" \\(c) $d'])
@pytest.mark.parametrize("kind", ["coreml", "coreml, three classes", "tflite", "tflite, bytes"])
def test_a_filled_app_parses(kind: str, name: str, script: ModuleType, tmp_path: Path) -> None:
    platform = "ios" if kind.startswith("coreml") else "android"
    app = filled(
        script, bundle_of(tmp_path / "bundle", kind, "fp16", name=name), platform, tmp_path
    )
    assert unparsable(app) == []


def test_an_app_runs_the_file_in_half_precision(script: ModuleType, tmp_path: Path) -> None:
    """One file goes into the app, and a second time takes the place of the first."""
    bundle = bundle_of(tmp_path / "bundle", "tflite", "fp32", "fp16")
    app = filled(script, bundle, "android", tmp_path)
    assert [f.read_bytes() for f in (app / "app/src/main/assets").iterdir()] == [b"fp16"]
    assert 'TARGET = "tflite-fp16"' in (app / NETWORK / "Network.kt").read_text()
    for _ in script.fill(bundle, "android", app, ["tflite-fp32"]):
        pass
    assert [f.read_bytes() for f in (app / "app/src/main/assets").iterdir()] == [b"fp32"]
    assert 'TARGET = "tflite-fp32"' in (app / NETWORK / "Network.kt").read_text()


def test_a_bundle_without_the_apps_format_fills_nothing(script: ModuleType, tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", "tflite", "fp16")
    with pytest.raises(UsageError, match="takes none of tflite-fp16"):
        list(script.fill(bundle, "ios", tmp_path, ["all"]))
    assert not (tmp_path / "CutOut.swiftpm").exists()


def test_a_changed_file_fills_nothing(script: ModuleType, tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", "tflite", "fp16")
    (bundle.path / "demo-tflite-fp16.tflite").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"demo-tflite-fp16\.tflite"):
        list(script.fill(bundle, "android", tmp_path, ["all"]))


def test_gradle_takes_what_the_snippet_names() -> None:
    """One version of LiteRT: what the snippet says, and what the catalog has."""
    catalog = tomllib.loads((EXAMPLES / "android/gradle/libs.versions.toml").read_text())
    template = ROOT / "artifacts/snippets/templates/tflite.compiled_model.kt.j2"
    said = re.findall(r'implementation\("([\w.]+:[\w-]+):([\d.]+)"\)', template.read_text())
    assert len(said) == 2
    for module, version in said:
        [library] = [row for row in catalog["libraries"].values() if row["module"] == module]
        assert catalog["versions"][library["version"]["ref"]] == version


def test_gradle_and_the_resources_have_what_is_used() -> None:
    catalog = tomllib.loads((EXAMPLES / "android/gradle/libs.versions.toml").read_text())
    scripts = "".join(file.read_text() for file in (EXAMPLES / "android").rglob("*.kts"))
    rows = {f"libs.{name.replace('-', '.')}" for name in catalog["libraries"]}
    rows |= {f"libs.plugins.{name.replace('-', '.')}" for name in catalog["plugins"]}
    assert set(re.findall(r"\blibs\.[\w.]+", scripts)) == rows
    given = [*catalog["libraries"].values(), *catalog["plugins"].values()]
    referred = {row["version"]["ref"] for row in given if "version" in row}
    assert referred == set(catalog["versions"])
    main = EXAMPLES / "android/app/src/main"
    strings = {e.get("name") for e in ElementTree.parse(main / "res/values/strings.xml").getroot()}
    code = "".join(file.read_text() for file in main.rglob("*.kt"))
    manifest = (main / "AndroidManifest.xml").read_text()
    assert set(re.findall(r"\bR\.string\.(\w+)", code)) | {"app_name"} == strings
    assert "@string/app_name" in manifest
    for kind, name in re.findall(r"@(xml|style)/([\w.]+)", manifest):
        named = main / "res" / ("xml" if kind == "xml" else "values")
        assert any(name in file.name or name in file.read_text() for file in named.iterdir())


@pytest.mark.slow
def test_kotlin_and_compose_take_the_android_app(script: ModuleType, tmp_path: Path) -> None:
    """Types against stand-ins, and Compose's own rules: its plugin wants the real runtime only
    after it has found no mistake."""
    libraries = kotlin_libraries()
    bundle = bundle_of(tmp_path / "bundle", "tflite, three classes", "fp16")
    app = filled(script, bundle, "android", tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    # The app's stand-ins have more of Android than those of the snippets, and take their place.
    files = {
        f: None
        for n in ("java", "kotlin", "android_app")
        for f in stubs_in(STUBS / f"{n}.txt", out)
    }
    strings = ElementTree.parse(app / "app/src/main/res/values/strings.xml").getroot()
    fields = "".join(f"public static final int {e.get('name')} = 0; " for e in strings)
    resources = out / "R.java"
    holder = f"public final class R {{ public static final class string {{ {fields} }} }}"
    resources.write_text(f"package com.example.cutout; {holder}")
    sources = [*files, resources, *(app / "app/src/main").rglob("*.kt")]
    coroutines = libraries / "kotlinx-coroutines-core-jvm.jar"
    catalog = tomllib.loads((app / "gradle/libs.versions.toml").read_text())
    language = ("-language-version", catalog["versions"]["kotlin"].rpartition(".")[0])
    compile_kotlin(libraries, sources, out, *language, uses=[coroutines])
    assert (out / "com/example/cutout/MainActivity.class").is_file()
    plugin = f"-Xplugin={libraries / 'compose-compiler-plugin.jar'}"
    with pytest.raises(AssertionError, match="requires the Compose Runtime") as refused:
        compile_kotlin(libraries, sources, out, plugin, *language, uses=[coroutines])
    assert " error: " not in str(refused.value)


@pytest.mark.slow
def test_swift_takes_the_ios_app(script: ModuleType, tmp_path: Path) -> None:
    """Types against stand-ins, and by Swift 6 what threads share."""
    tool("swiftc")
    bundle = bundle_of(tmp_path / "bundle", "coreml, three classes", "fp16")
    app = filled(script, bundle, "ios", tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    sources = []
    for file in (app / "CutOut.swiftpm/App").rglob("*.swift"):
        sources.append(out / f"app{file.name}")
        sources[-1].write_text(
            without_submodules(file.read_text(encoding="utf-8")), encoding="utf-8"
        )
    # Swift packages have it of themselves.
    sources.append(out / "Resources.swift")
    sources[-1].write_text(
        "import Foundation\nextension Bundle { static let module = Bundle.main }\n"
    )
    modules = [*stubs_in(STUBS / "swift.txt", out), *stubs_in(STUBS / "ios_app.txt", out)]
    run(compile_swift(modules, sources, out, mode="6"), cwd=out)
