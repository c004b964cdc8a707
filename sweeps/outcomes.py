"""What a sweep has finished, in the place where it is kept: Parquet files, results and pages.

    store/…                 the bundles, as `maskport publish` keeps them
    photos/KEY.parquet      a finished comparison of some photos, or a timing: a fact a row
    given-up/KEY            a part in which files were given up, and which
    maps/KEY.zip            masks of the photos that each file draws worst, for the pages
    files/BUNDLE.parquet    the table: a file a row
    results/BUNDLE.json     as `maskport validate --json` writes them
    pages/BUNDLE.html       as `maskport validate --html` writes them
    index.html              the report

Each file appears whole, when its task has ended; what a killed task was doing is not there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ..artifacts.store.place import Absent, Place
from ..errors import BundleError, MissingToolError
from ..metrics import SALIENCY
from ..outside.files import Kind
from ..validation.assemble import FIDELITY
from ..validation.parts import Part

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Outcomes", "load_pyarrow"]

PHOTOS, FILES, GIVEN_UP = "photos", "files", "given-up"
_PARQUET = Kind("a sweep's Parquet file", 4 << 30)
_MAPS = Kind("a sweep's masks", 4 << 30)
_HEAD = b"maskport"
# What another node, or a quieter one, may not do.
_MAY_PASS = {"crashed", "timed-out", "out-of-memory", "unavailable"}

_ABOUT = {
    **dict.fromkeys(("bundle", "network", "weights", "recipe"), "text"),
    **dict.fromkeys(("height", "width"), "whole"),
}
_PHOTO_COLUMNS = {
    **_ABOUT,
    **dict.fromkeys(("processor", "target", "fact", "photo", "json"), "text"),
    "position": "whole",
    **dict.fromkeys(FIDELITY, "number"),
    "flags": "texts",
    "milliseconds": "numbers",
}
_FILE_COLUMNS = {
    **_ABOUT,
    **dict.fromkeys(
        ("target", "format", "precision", "status", "reason", "version", "anchor"), "text"
    ),
    **dict.fromkeys(("bytes", "macs"), "whole"),
    "emulated": "flag",
    **dict.fromkeys((f"{p}{name}" for name in FIDELITY for p in ("", "worst_", "p5_")), "number"),
    **dict.fromkeys((f"truth_{name}" for name in SALIENCY), "number"),
    **dict.fromkeys(("peak_memory_mb", "p50_ms", "p90_ms", "p99_ms"), "number"),
    "processor": "text",
    # Where it was timed on several kinds of processors: each, and the medians.
    "processors": "texts",
    "medians_ms": "numbers",
}


def load_pyarrow() -> Any:
    """pyarrow's reader and writer of Parquet.

    Raises:
        MissingToolError: It is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingToolError("pyarrow", "sweep", "maskport sweep") from None
    return pyarrow.parquet


class Outcomes:
    """What is finished; see this module's docstring.

    Args:
        place: Where the sweep is kept.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def finished(self) -> set[str]:
        """Keys of the parts that are there, and in which no file was given up."""
        return {_stem(key) for key in self.place.listed(PHOTOS)} - self.given_up()

    def given_up(self) -> set[str]:
        """Keys of the parts in which a file was given up: it crashed, took too long or too much, or
        nothing ran it there. The next run tries these again."""
        return {_stem(key) for key in self.place.listed(GIVEN_UP)}

    def has_part(self, key: str) -> bool:
        """Whether a part is there, likewise."""
        there = self.place.size(f"{PHOTOS}/{key}.parquet") is not None
        return there and self.place.size(f"{GIVEN_UP}/{key}") is None

    def keep_part(self, key: str, part: Part, about: dict[str, Any]) -> None:
        """Keep a part, as rows that other tools read and that are the part again.

        Args:
            key: Its own.
            part: What was found.
            about: What is said in each row: which bundle, which size, …
        """
        rows = [_row(fact, part, about) for fact in part.facts]
        head = part.model_copy(update={"facts": []}).model_dump_json().encode()
        lost = sorted(
            fact["target"]
            for fact in part.facts
            if fact["fact"] == "lost" and fact["status"] in _MAY_PASS
        )
        if lost:
            self.place.replace(f"{GIVEN_UP}/{key}", "\n".join(lost).encode())
        self.place.replace(f"{PHOTOS}/{key}.parquet", _parquet(rows, _PHOTO_COLUMNS, head))
        if not lost:
            self.place.remove(f"{GIVEN_UP}/{key}")

    def part(self, key: str) -> Part:
        """A part.

        Raises:
            BundleError: It isn't there, or is damaged.
        """
        table = self._table(f"{PHOTOS}/{key}.parquet")
        try:
            head = json.loads(table.schema.metadata[_HEAD])
            facts = [json.loads(text) for text in table.column("json").to_pylist()]
            return Part.model_validate({**head, "facts": facts})
        except (ValueError, KeyError, TypeError) as exc:
            raise self._damaged(f"{PHOTOS}/{key}.parquet", exc) from exc

    def keep_maps(self, key: str, content: bytes) -> None:
        """Keep what `validation.parts.run_part` gives for a page."""
        self.place.replace(f"maps/{key}.zip", content)

    def maps(self, key: str) -> bytes:
        """It again; an empty one where there is none."""
        try:
            return self.place.read(f"maps/{key}.zip", _MAPS)
        except Absent:
            return b"PK\x05\x06" + bytes(18)

    def keep_files(self, bundle: str, key: str, rows: Sequence[dict[str, Any]]) -> None:
        """Keep a bundle's rows of the table.

        Args:
            bundle: Its name.
            key: Changes with whatever they were made of.
            rows: One a file.
        """
        self.place.replace(f"{FILES}/{bundle}.parquet", _parquet(rows, _FILE_COLUMNS, key.encode()))

    def files(self, bundle: str, key: str | None = None) -> list[dict[str, Any]] | None:
        """A bundle's rows of the table; None where there are none of that key."""
        try:
            table = self._table(f"{FILES}/{bundle}.parquet")
        except Absent:
            return None
        if key is not None and table.schema.metadata.get(_HEAD) != key.encode():
            return None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def forget_others(self, bundles: Collection[str]) -> None:
        """Remove the rows of bundles that are no longer asked for: the table is one plan's."""
        for key in self.place.listed(FILES):
            if _stem(key) not in bundles:
                self.place.remove(key)

    def _table(self, key: str) -> pa.Table:
        content = self.place.read(key, _PARQUET)
        try:
            read = load_pyarrow().read_table
            return read(io.BytesIO(content), page_checksum_verification=True)
        except (ValueError, OSError) as exc:  # pyarrow's own errors are among them
            raise self._damaged(key, exc) from exc

    def _damaged(self, key: str, exc: Exception) -> BundleError:
        return BundleError(
            f"{key} in {self.place.shown} can't be read: {type(exc).__name__}.",
            "Remove it there, and run the sweep again: it is made anew.",
        )


def _row(fact: dict[str, Any], part: Part, about: dict[str, Any]) -> dict[str, Any]:
    """A fact with its numbers in columns, and to the letter."""
    result = fact["result"] if fact["fact"] == "photo" else {"metrics": {}, "flags": []}
    position = fact.get("position")
    return {
        **about,
        "processor": part.machine.processor,
        "target": fact["target"],
        "fact": fact["fact"],
        "position": position,
        "photo": part.photos[position].name if position is not None else None,
        **{name: result["metrics"].get(name) for name in FIDELITY},
        "flags": result["flags"],
        "milliseconds": fact.get("times", []),
        "json": json.dumps(fact),
    }


def _parquet(rows: Sequence[dict[str, Any]], columns: dict[str, str], head: bytes) -> bytes:
    """Columns have their types also where no row has a value: files are read together."""
    parquet = load_pyarrow()
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
    }
    schema = pa.schema(
        [(name, types[kind]) for name, kind in columns.items()], metadata={_HEAD: head}
    )
    content = io.BytesIO()
    table = pa.Table.from_pylist(list(rows), schema=schema)
    parquet.write_table(table, content, compression="zstd", write_page_checksum=True)
    return content.getvalue()


def _stem(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]
