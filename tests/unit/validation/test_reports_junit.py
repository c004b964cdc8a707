"""JUnit XML: what fails, errs and is skipped, in the words of the gates."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from maskport.validation.maps import MapStore
from maskport.validation.reports import write_junit
from maskport.validation.results import Results


@pytest.fixture
def results(sample_run: tuple[Results, MapStore]) -> Results:
    return sample_run[0]


def junit(results: Results, folder: Path) -> ET.Element:
    write_junit(results, folder / "r.xml")
    return ET.parse(folder / "r.xml").getroot()


def suite(root: ET.Element, target: str) -> ET.Element:
    return next(s for s in root.iter("testsuite") if s.get("name") == target)


def test_each_artifact_is_a_suite_and_each_gate_a_case(results: Results, tmp_path: Path) -> None:
    root = junit(results, tmp_path)
    assert [s.get("name") for s in root] == list(results.artifacts)
    for artifact in results.artifacts.values():
        # "runs" comes before the gates.
        assert len(suite(root, artifact.target).findall("testcase")) == 1 + len(artifact.gates)


def test_a_gate_that_doesnt_hold_fails_with_its_sentence(results: Results, tmp_path: Path) -> None:
    failures = suite(junit(results, tmp_path), "tflite-int8").findall("testcase/failure")
    expected = [g.text for g in results.artifacts["tflite-int8"].gates if not g.passed]
    assert expected
    assert [f.get("message") for f in failures] == expected == [f.text for f in failures]


@pytest.mark.parametrize(
    ("target", "status"), [("torchscript-lite", "crashed"), ("keras", "timed-out")]
)
def test_an_artifact_that_doesnt_run_is_one_error(
    results: Results, tmp_path: Path, target: str, status: str
) -> None:
    found = suite(junit(results, tmp_path), target)
    error = found.find("testcase[@name='runs']/error")
    assert error is not None
    assert error.get("type") == status
    assert error.get("message") == results.artifacts[target].reason
    assert (found.get("errors"), found.get("failures")) == ("1", "0")
    assert found.get("skipped") == str(len(results.artifacts[target].gates))


def test_what_nothing_here_can_run_is_skipped(results: Results, tmp_path: Path) -> None:
    found = suite(junit(results, tmp_path), "executorch")
    assert found.find("testcase[@name='runs']/skipped") is not None
    assert (found.get("errors"), found.get("failures")) == ("0", "0")


def test_totals_are_those_of_the_cases(results: Results, tmp_path: Path) -> None:
    root = junit(results, tmp_path)
    for attribute, kind in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped")):
        assert root.get(attribute) == str(len(root.findall(f".//{kind}")))
    assert root.get("tests") == str(len(root.findall(".//testcase")))


def test_two_gates_of_one_name_stay_two_cases(results: Results, tmp_path: Path) -> None:
    artifact = results.artifacts["onnx-fp16"]
    twice = artifact.model_copy(update={"gates": [artifact.gates[0]] * 2})
    root = junit(results.model_copy(update={"artifacts": {"onnx-fp16": twice}}), tmp_path)
    names = [case.get("name") for case in root.iter("testcase")]
    assert len(names) == len(set(names)) == 3


def test_the_time_is_in_seconds(results: Results, tmp_path: Path) -> None:
    latency, timing = (
        results.artifacts["onnx-fp32"].latency_ms,
        results.artifacts["onnx-fp32"].timing,
    )
    assert latency is not None
    assert timing is not None
    found = float(suite(junit(results, tmp_path), "onnx-fp32").get("time", ""))
    milliseconds = latency.load + latency.first + timing.runs * latency.mean
    assert found == pytest.approx(milliseconds / 1000, abs=0.001)


def test_characters_that_xml_has_no_way_to_write_are_shown_as_escapes(
    results: Results, tmp_path: Path
) -> None:
    reason = '\x1b[31mdied\x00 of <signal> & \ufffe "11" ]]> \ud800'
    # model_copy checks nothing: a lone surrogate comes from a file name, past pydantic.
    broken = results.artifacts["keras"].model_copy(update={"reason": reason})
    root = junit(results.model_copy(update={"artifacts": {"keras": broken}}), tmp_path)
    error = root.find(".//error")
    assert error is not None
    assert error.text == '\\x1b[31mdied\\x00 of <signal> & \\ufffe "11" ]]> \\ud800'
