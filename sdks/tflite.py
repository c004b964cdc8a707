"""TFLite files, read in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import RunnerError

__all__ = ["names_of", "opened", "operator_name"]


def opened(path: Path) -> tuple[Any, Any]:
    """The schema's module, and the file's root table, which is read in place.

    Raises:
        RunnerError: It is no TFLite file.
    """
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    if not schema.Model.ModelBufferHasIdentifier(data, 0):
        raise RunnerError(
            f"{path} is not a TFLite file.",
            "The file is damaged or of another format; export it again.",
        )
    return schema, schema.Model.GetRootAs(data, 0)


def names_of(enumeration: Any) -> dict[int, str]:
    """A generated class of constants, the other way round."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def operator_name(code: Any, kinds: dict[int, str]) -> str:
    """Of an operator code: the schema's name, or ``custom NAME`` of one that the schema lacks."""
    # Files of before 2020 have only the older field, which is a byte.
    kind = kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return f"custom {(code.CustomCode() or b'').decode()}" if kind == "CUSTOM" else kind
