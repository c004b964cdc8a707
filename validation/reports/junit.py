"""JUnit XML: what Jenkins, GitLab and GitHub's test reporters draw.

One suite an artifact, and in it one case ``runs`` and one a gate. There is no one schema; this
keeps to what the readers agree on (testmo's collection, github.com/testmoapp/junitxml).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from ...outputs import write_whole
from ..results import ArtifactResult, Results
from .wording import STATUSES, problems

__all__ = ["write_junit"]

# What XML 1.0 has no way to write, not even escaped (section 2.2, Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Results, path: Path) -> None:
    """Write the gates as test cases.

    A gate that doesn't hold is a failure. An artifact that doesn't run is one error, and its
    gates are skipped: they would repeat it. One that nothing here can run is skipped. Whether the
    bytes are the manifest's is judged of all of them.

    Raises:
        InputError: The path can't be written.
    """
    root = ET.Element("testsuites", name=_clean(f"maskport validate {results.bundle}"))
    for artifact in results.artifacts.values():
        _suite(root, artifact, results)
    _count(root)
    root.set("time", _seconds(results.run.total_s))
    ET.indent(root)
    write_whole(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _suite(root: ET.Element, artifact: ArtifactResult, results: Results) -> None:
    suite = _add(root, "testsuite", name=artifact.target, timestamp=results.started)
    properties = _add(suite, "properties")
    for name, value in _properties(artifact, results):
        _add(properties, "property", name=name, value=value)
    runs = _case(suite, artifact, "runs", _time(artifact))
    if artifact.status == "unavailable":
        _outcome(runs, "skipped", artifact.reason)
    elif not artifact.ran:
        _outcome(runs, "error", " ".join(problems(artifact)), type=artifact.status)
    seen: Counter[str] = Counter()
    for gate in artifact.gates:
        if gate.metric == "status":
            continue  # the case ``runs`` says it
        # A report groups by name: two gates of one name would be one case with two outcomes.
        name = f"{gate.gate} · {gate.source}"
        seen[name] += 1
        case = _case(suite, artifact, name + f" ({seen[name]})" * (seen[name] > 1), 0)
        if not artifact.ran and gate.metric != "checksum":
            _outcome(case, "skipped", f"{artifact.target} is {STATUSES[artifact.status].label}")
        elif not gate.passed:
            _outcome(case, "failure", gate.text, type=gate.metric)
    _count(suite)
    suite.set("time", _seconds(_time(artifact)))


def _case(suite: ET.Element, artifact: ArtifactResult, name: str, seconds: float) -> ET.Element:
    owner, time = f"maskport.{artifact.target}", _seconds(seconds)
    return _add(suite, "testcase", classname=owner, name=name, file=artifact.path, time=time)


def _outcome(case: ET.Element, kind: str, message: str, **attributes: str) -> None:
    outcome = _add(case, kind, message=message, **attributes)
    if kind != "skipped":
        # GitLab shows the text, Jenkins the message first.
        outcome.text = _clean(message)


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, {name: _clean(v) for name, v in attributes.items()})


def _properties(artifact: ArtifactResult, results: Results) -> Iterator[tuple[str, str]]:
    yield "status", artifact.status
    yield "runtime", artifact.runtime
    yield "emulated", str(artifact.emulated).lower()
    yield "bytes", str(artifact.bytes)
    yield "reference", f"{results.reference.device} ({results.reference.device_name})"
    if artifact.emulated or artifact.no_latency:
        yield "no_latency", artifact.no_latency
    for name, value in (artifact.fidelity or {}).items():
        yield name, repr(value)
    if artifact.latency_ms:
        for name, value in artifact.latency_ms:
            yield f"latency_ms.{name}", repr(value)
    if artifact.peak_memory_mb is not None:
        yield "peak_memory_mb", repr(artifact.peak_memory_mb)


def _count(element: ET.Element) -> None:
    """Totals, from what is in it: readers trust them over their own count."""
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(kind) is not None for case in cases)))


def _time(artifact: ArtifactResult) -> float:
    """Seconds that loading and all runs took, from their mean."""
    latency, timing = artifact.latency_ms, artifact.timing
    if latency is None:
        return 0
    runs = timing.runs if timing else 0
    return (latency.load + latency.first + runs * latency.mean) / 1e3


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    """Text that XML can hold; what it can't is shown as an escape, as Python writes it."""
    return _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], text)
