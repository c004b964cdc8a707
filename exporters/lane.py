"""One lane of an export run: a process of its own, for SDKs that print, leak or crash.

Whatever is printed here goes to the run's log.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import shutil
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ..artifacts.bundle import describe_files
from ..artifacts.cache import Cache
from ..artifacts.inspect.declared import differences
from ..artifacts.inspect.read import declared_by
from ..artifacts.manifest import Artifact, Inspection, OtherSize
from ..errors import ExportError, MaskportError, NotCoveredError
from ..formats import FORMATS, Target
from ..loading import load
from ..outputs import room_in
from ..processes.inside import Parent
from .failures import reason_of
from .inspection import inspect_artifact
from .keeper import steps_of
from .messages import REQUESTS, Failed, Finished, Note, Started, Step, Stop
from .run import Exported, Run
from .targets import target

__all__ = ["CHECK", "CHECK_AT", "KEPT", "PLAN", "as_declared", "main"]

PLAN = "run.json"
# Where the cache is and what each target depends on; missing where there is none.
KEPT = "kept.json"
CHECK = "check.npz"
# The same of another size.
CHECK_AT = "check-{}x{}.npz"


def main(parent: Parent, scratch: str) -> None:
    """Serve requests until told to stop.

    Args:
        parent: Where they come from.
        scratch: The run's folder for intermediates.
    """
    # Converters make millions of objects and keep most: looking through them often finds nothing.
    gc.set_threshold(100_000, 20, 100)
    for request, _ in parent.requests(REQUESTS):
        if isinstance(request, Stop):
            return
        _make(target(request.target), Path(scratch), parent)


def _make(row: Target, scratch: Path, parent: Parent) -> None:
    """One target, from its intermediate to a judged file in the bundle."""
    started = time.monotonic()
    parent.send(Started(row.name))
    print(f"\n===== {row.name} =====", flush=True)

    def step(text: str, done: int = 0, total: int = 0) -> None:
        parent.send(Step(text, row.name, done, total))

    bundle = scratch.parent
    run = Run.load(scratch / PLAN, step)
    kept = scratch / KEPT
    if kept.exists():
        plan = json.loads(kept.read_text(encoding="utf-8"))
        cache, parts = Cache(Path(plan["cache"])), plan["parts"][row.name]
        tell = lambda text: parent.send(Note(text))  # noqa: E731
        run = replace(run, keeper=steps_of(cache, parts, row.shared.extra, tell))
    path = bundle / f"{run.spec.name}-{row.name}{row.suffix}"
    try:
        with room_in(bundle):
            artifact = _export(row, run, path)
            step("checking")
            artifact = as_declared(artifact, path)
            artifact = _inspect(row, artifact, path, run)
        seconds = time.monotonic() - started
        parent.send(Finished(row.name, artifact, seconds, _versions(row.needs)))
    # One target's failure, whatever it is, must not stop the others; SDKs call sys.exit, too.
    except (Exception, SystemExit) as exc:
        traceback.print_exc()
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        parent.send(Failed(row.name, reason_of(exc)))


def _export(row: Target, run: Run, path: Path) -> Artifact:
    unfinished = run.scratch / path.name
    exported: Exported = load(row.exporter)(run.of_target(row), unfinished)
    unfinished.rename(path)
    files, size, digest = describe_files(path, path.parent)
    return Artifact(
        target=row.name,
        path=path.name,
        format=row.format,
        precision=row.precision,
        bytes=size,
        sha256=digest,
        files=files,
        inputs=exported.inputs,
        outputs=exported.outputs,
        quantization=exported.quantization,
        properties=exported.properties,
        other_sizes=[OtherSize(height=height, width=width) for height, width in exported.sizes],
    )


def as_declared(artifact: Artifact, path: Path) -> Artifact:
    """The artifact with what its file says of itself.

    Raises:
        ExportError: The file can't be read back, or takes or gives something else than the
            manifest would say.
    """
    try:
        declared = declared_by(artifact, path)
    except MaskportError:
        raise
    except Exception as exc:  # every SDK has its own types
        raise ExportError(
            f"The file was made, but can't be read back: {reason_of(exc)}.",
            f"Leave out {artifact.target}, and report it with the network.",
        ) from exc
    sizes = [(other.height, other.width) for other in artifact.other_sizes]
    wrong = differences(artifact.inputs, artifact.outputs, declared, sizes)
    if wrong:
        raise ExportError(
            f"The file was made, but {'; '.join(wrong)}.",
            f"Leave out {artifact.target}, and report it with the network.",
        )
    known = {**declared.properties, "operators": list(declared.operators)}
    if failing := FORMATS[artifact.format].failing_readers:
        known["failing_readers"] = [asdict(reader) for reader in failing]
    return artifact.model_copy(
        update={
            "properties": {**artifact.properties, **known},
            "oldest_runtimes": list(declared.oldest_runtimes),
        }
    )


def _inspect(row: Target, artifact: Artifact, path: Path, run: Run) -> Artifact:
    """The artifact with what it drew.

    Raises:
        ExportError: It doesn't draw the reference's mask.
    """
    try:
        with np.load(run.scratch / CHECK) as check:
            halves = None
            if row.in_halves and "halves" in check:
                halves = check["halves"], str(check["overflow"])
            inspection, objection = inspect_artifact(
                path, artifact, check["images"], check["references"], run.spec.mask, halves
            )
    except NotCoveredError as exc:  # says nothing of the file
        return artifact.model_copy(update={"inspection_skipped": exc.what})
    _judge(inspection, objection, _REMEDY)
    others = [_inspected_at(other, artifact, path, run) for other in artifact.other_sizes]
    return artifact.model_copy(update={"inspection": inspection, "other_sizes": others})


def _inspected_at(other: OtherSize, artifact: Artifact, path: Path, run: Run) -> OtherSize:
    """Another size, with what the file drew at it.

    Raises:
        ExportError: It doesn't draw the reference's mask of that size.
    """
    with np.load(run.scratch / CHECK_AT.format(other.height, other.width)) as check:
        inspection, objection = inspect_artifact(
            path,
            artifact.at_size(other.height, other.width),
            check["images"],
            check["references"],
            run.spec.mask,
        )
    size = f"{other.height}x{other.width}"
    remedy = f"Leave {size} or {artifact.target} out, or export it at that size alone."
    _judge(inspection, objection and f"at {size} {objection}", remedy)
    return other.model_copy(update={"inspection": inspection})


def _judge(inspection: Inspection, objection: str, remedy: str) -> None:
    print(inspection.model_dump_json(), flush=True)
    if objection:
        raise ExportError(f"The file was made, but {objection}.", remedy)


_REMEDY = "Compare the other targets: it is the format's conversion, or this precision."


def _versions(modules: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for module in modules:
        try:
            found[module] = importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            continue  # a module of another distribution's
    return found
