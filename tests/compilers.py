"""Compilers of apps' languages, where they are; SDKs that are not are stood in for by stubs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """Where a program is; the test skips without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    return found


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stubs_in(text: Path, folder: Path) -> list[Path]:
    """Unpack stand-ins for SDKs: ``== path`` begins a file."""
    files = []
    for part in re.split(r"^== ", text.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        path, _, content = part.partition("\n")
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        files.append(file)
    return files


def kotlin_libraries() -> Path:
    """The folder of a Kotlin compiler's jars: of the archive that JetBrains gives, or of npm's
    package `kotlin-compiler`, which holds the same files. Debian's is of 2019."""
    for name in ("kotlinc", "kotlinc-js"):
        found = shutil.which(name)
        if found is not None:
            home = Path(found).resolve().parents[1]
            build = home / "build.txt"
            if build.is_file() and int(build.read_text().partition(".")[0]) >= 2:
                return home / "lib"
    pytest.skip("there is no Kotlin 2: npm install --global kotlin-compiler")


def compile_kotlin(
    libraries: Path, files: Iterable[Path], folder: Path, *options: str, uses: Iterable[Path] = ()
) -> None:
    """Classes of Kotlin and Java files into a folder, with other jars; a warning is an error."""
    sources = list(files)
    java = [file for file in sources if file.suffix == ".java"]
    classes = ":".join(map(str, (folder, *uses)))
    run(tool("javac"), "-nowarn", "-d", folder, *java, cwd=folder)
    run(
        *(tool("java"), "-cp", libraries / "kotlin-compiler.jar"),
        *("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", libraries.parent),
        *("-Werror", "-no-reflect", "-cp", classes, "-d", folder),
        *options,
        *(file for file in sources if file.suffix == ".kt"),
        cwd=folder,
    )


def compile_swift(modules: Iterable[Path], files: Iterable[Path], folder: Path, mode: str) -> Path:
    """A program of Swift files, which import modules of one file each, in the order of their needs.

    Args:
        mode: Swift's language mode: 6 checks what threads share. A warning is an error.
    """
    compiler = tool("swiftc")
    objects = []
    for file in modules:
        run(
            *(compiler, "-swift-version", "5", "-parse-as-library", "-I", "."),
            *("-module-name", file.stem, "-emit-module-path", f"{file.stem}.swiftmodule"),
            *("-c", "-o", f"{file.stem}.o", file.name),
            cwd=folder,
        )
        objects.append(f"{file.stem}.o")
    names = [file.relative_to(folder) for file in files]
    run(
        *(compiler, "-swift-version", mode, "-warnings-as-errors", "-I", ".", "-o", "program"),
        *(*names, *objects),
        cwd=folder,
    )
    return folder / "program"


def without_submodules(swift: str) -> str:
    """Swift code without the line that a stand-in, which is one module, can't answer."""
    return swift.replace("import CoreImage.CIFilterBuiltins\n", "")
