"""Saved results: the published JSON Schema is theirs, and what is read is what was written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from maskport.errors import InputError
from maskport.validation.maps import MapStore
from maskport.validation.reports import write_json
from maskport.validation.results import Latency, Results, read_results

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "results.schema.json"


def test_the_published_schema_is_what_the_code_says() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    # Out of date? python -m maskport.validation.results > docs/results.schema.json
    assert published == Results.model_json_schema()


def test_what_is_written_fits_the_published_schema(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    file = tmp_path / "new folder" / "r.json"
    write_json(sample_run[0], file)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), schema)


def test_results_are_read_as_they_were_written(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    write_json(sample_run[0], tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == sample_run[0]


def test_a_number_that_is_none_is_refused() -> None:
    good = dict.fromkeys(Latency.model_fields, 1.0)
    assert Latency(**good).p50 == 1.0
    with pytest.raises(ValidationError):
        Latency(**{**good, "p50": math.nan})


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 2}'])
def test_another_file_is_no_results(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="holds no results of version 1"):
        read_results(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("cost", "macs", 10**400),
        ("cost", "operations", {"Conv": -1}),
        ("latency_ms", "p50", -1),
        ("latency_ms", "p50", 1e300),
        ("latency_ms", "p50", 10**400),
        ("timing", "runs", 10**400),
        ("fidelity", "mae", 1e308),
        ("fidelity", "mae", math.inf),
    ],
)
def test_results_are_believed_only_within_bounds(
    sample_run: tuple[Results, MapStore], tmp_path: Path, name: str, field: str, value: object
) -> None:
    """A baseline is a file from anywhere."""
    write_json(sample_run[0], tmp_path / "r.json")
    results = json.loads((tmp_path / "r.json").read_text())
    target = next(t for t, a in results["artifacts"].items() if a.get(name))
    results["artifacts"][target][name][field] = value
    (tmp_path / "r.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=f"{name}.{field}"):
        read_results(tmp_path / "r.json")


def test_a_path_that_cant_be_written_is_the_users_error(
    sample_run: tuple[Results, MapStore], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="can't be written"):
        write_json(sample_run[0], tmp_path / "file" / "r.json")


def test_a_report_that_fails_half_way_leaves_the_old_one(
    sample_run: tuple[Results, MapStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.json"
    file.write_text("the old one", encoding="utf-8")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write_json(sample_run[0], file)
    assert file.read_text(encoding="utf-8") == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
