"""The import table of the house: who may know whom, and where SDKs may be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskport.exporters.ingredients import _ELSEWHERE

ROOT = Path(__file__).resolve().parents[2]

# What every room may import; beside `errors` and `signals` not one another.
BASE = {
    *("errors", "signals", "specs", "texts", "svg", "formats", "precisions", "loading"),
    *("cores", "outputs", "outside"),
}
# Room → what it may import beside itself and the base. `formats` names all rooms in its dotted
# paths, and imports none.
MAY_IMPORT: dict[str, set[str]] = {
    **{name: set() for name in BASE},
    "sdks": set(),
    "metrics": set(),
    "imaging": set(),
    "scenes": {"imaging"},
    "models": {"imaging"},
    "quantization": {"imaging", "metrics", "models", "scenes"},
    "artifacts": {"sdks"},
    "processes": set(),
    "runtimes": {"artifacts", "imaging", "processes", "sdks"},
    "exporters": {
        *("models", "quantization", "artifacts", "runtimes", "metrics", "processes", "sdks")
    },
    "sweeps": {
        *("api", "artifacts", "exporters", "imaging", "metrics", "models", "quantization"),
        *("processes", "sdks", "validation"),
    },
    "validation": {"runtimes", "artifacts", "imaging", "metrics", "models", "scenes", "sdks"},
    # Files are written whole by what bundles are.
    "apps": {"runtimes", "imaging", "artifacts"},
    "serving": {"apps", "imaging"},
    "training": {"models", "imaging", "metrics", "scenes"},
}
MAY_IMPORT_EVERYTHING = {
    *("__init__", "__main__", "api", "cli", "exporting", "segmenting", "testing"),
}

SDKS = {
    "ai_edge_litert",
    "av",
    "coremltools",
    "cryptography",
    "cv2",
    "executorch",
    "fsspec",
    "gcsfs",
    "gdown",
    "huggingface_hub",
    "keras",
    "mediapipe",
    "model_signing",
    "onnx",
    "onnx2tf",
    "onnxruntime",
    "onnxsim",
    "pillow_heif",
    "pyarrow",
    "ray",
    "s3fs",
    "tensorboard",
    "tensorflow",
    "tf_keras",
    "torchao",
}


def modules(folder: Path = ROOT) -> Iterator[Path]:
    """Every file of the package: those of folders that have an `__init__.py`, from the root."""
    yield from sorted(folder.glob("*.py"))
    for child in sorted(folder.iterdir()):
        if (child / "__init__.py").is_file():
            yield from modules(child)


MODULES = [path.relative_to(ROOT) for path in modules()]


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def project_imports(module: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name within the package of each relative import, functions included."""
    folder = module.parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level - 1 <= len(folder), f"{module}:{node.lineno} leaves the package"
            base = folder[: len(folder) - (node.level - 1)]
            base += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                target = base
                if is_module((*base, alias.name)):
                    target = (*base, alias.name)
                yield node.lineno, ".".join(target)


def is_module(parts: tuple[str, ...]) -> bool:
    path = ROOT.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def dotted_strings(module: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each path to a module's function in a string, ``".onnx:cost"``:
    relative to the module's package where it begins with dots."""
    folder = module.parent.parts
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if (match := re.fullmatch(r"(\.+|maskport\.)([a-z_0-9.]+):\w+", node.value)) is None:
            continue
        dots = 0 if match[1] == "maskport." else len(match[1])
        base = folder[: len(folder) - (dots - 1)] if dots else ()
        yield node.lineno, ".".join((*base, match[2]))


def allowed(room: str, target: str) -> bool:
    target_room = room_of(tuple(target.split(".")) if target else ())
    if room in MAY_IMPORT_EVERYTHING or target_room in {room, "errors", "signals"}:
        return True
    if target_room in BASE:
        return room not in BASE
    return target_room in MAY_IMPORT.get(room, set())


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Names that come back to themselves along edges."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(edges.get(start, ()))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(edges.get(name, ()))
        return seen

    return sorted(name for name in edges if name in reached(name))


def imported_at_module_level(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What importing the module imports: everything outside functions and TYPE_CHECKING."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in {
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        }:
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.lineno, node.module
        waiting.extend(ast.iter_child_nodes(node))


def test_every_room_stands_in_the_table() -> None:
    rooms = {room_of(module.with_suffix("").parts) for module in MODULES}
    assert rooms <= MAY_IMPORT.keys() | MAY_IMPORT_EVERYTHING


def test_a_room_imports_only_what_the_table_allows() -> None:
    strangers = []
    for module in MODULES:
        room, tree = room_of(module.with_suffix("").parts), parsed(module)
        known = [*project_imports(module, tree)]
        if room != "formats":
            known += dotted_strings(module, tree)
        strangers += [
            f"{module}:{line} imports {target or 'the package itself'}"
            for line, target in known
            if not allowed(room, target)
        ]
    assert not strangers


def test_exports_read_no_room_that_the_cache_leaves_out_of_its_keys() -> None:
    start = Path("exporting.py")
    named = {room_of(tuple(name.split("."))) for _, name in project_imports(start, parsed(start))}
    waiting, reached = [*named, "formats"], set()
    while waiting:
        room = waiting.pop()
        if room not in reached:
            reached.add(room)
            waiting += MAY_IMPORT.get(room, ())
    assert "runtimes" in reached
    assert not reached & _ELSEWHERE


def test_no_module_imports_itself_by_way_of_others() -> None:
    edges: dict[str, set[str]] = {}
    for module in MODULES:
        package = module.name == "__init__.py"
        name = ".".join(module.parent.parts if package else module.with_suffix("").parts)
        edges[name] = {target for _, target in project_imports(module, parsed(module))}
    assert circles(edges) == []


def test_the_projects_own_imports_are_relative() -> None:
    absolute: list[str] = []
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            absolute += [
                f"{module}:{node.lineno} imports {name}"
                for name in names
                if name.split(".")[0] == "maskport"
            ]
    assert not absolute


def test_no_sdk_is_imported_at_module_level() -> None:
    early = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for line, name in imported_at_module_level(parsed(module))
        if name.split(".")[0] in SDKS
    ]
    assert not early


# The table and its readers, on code that breaks the rules; else a slip above would pass unseen.


@pytest.mark.parametrize(
    ("room", "target", "verdict"),
    [
        ("imaging", "specs", True),
        ("imaging", "models.u2net", False),
        ("exporters", "quantization.recipes", True),
        ("exporters", "runtimes", True),
        ("exporters", "validation.gates", False),
        ("formats", "sdks", False),
        ("specs", "formats", False),
        ("exporters", "imaging", False),
        ("training", "metrics", True),
        ("training", "validation.report", False),
        ("models", "", False),
        ("errors", "specs", False),
        ("imaging", "texts", True),
        ("quantization", "svg", True),
        ("signals", "texts", False),
        ("runtimes", "signals", True),
        ("cli", "validation.report", True),
    ],
)
def test_the_table_is_read_literally(room: str, target: str, verdict: bool) -> None:
    assert allowed(room, target) is verdict


def test_relative_imports_are_resolved_to_rooms() -> None:
    tree = ast.parse("from ..specs import ImageSpec\nfrom .. import errors\nfrom . import u2net\n")
    found = [target for _, target in project_imports(Path("models/here.py"), tree)]
    assert found == ["specs", "errors", "models.u2net"]


def test_only_imports_that_run_on_import_count_as_module_level() -> None:
    tree = ast.parse(
        "if TYPE_CHECKING:\n    import onnx\n"
        "def f():\n    import onnxsim\n"
        "try:\n    import tensorflow\nexcept ImportError:\n    pass\n"
        "class C:\n    from coremltools import models\n"
    )
    assert {name for _, name in imported_at_module_level(tree)} == {"tensorflow", "coremltools"}


def test_paths_in_strings_are_imports_too() -> None:
    tree = ast.parse('A = ".onnx:cost"\nB = "maskport.cli.main:cli"\nC = "a: b"\nD = "..x.y:f"\n')
    found = [target for _, target in dotted_strings(Path("runtimes/costs/here.py"), tree)]
    assert found == ["runtimes.costs.onnx", "cli.main", "runtimes.x.y"]


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]
