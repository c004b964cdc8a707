"""The page for people: one HTML file that holds its pictures, and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...errors import InputError
from ...outputs import write_whole
from ..maps import MapStore
from ..results import ArtifactResult, Results
from . import plots, view, wording
from .heat import NOT_A_NUMBER
from .pictures import CLASS_COLORS, MOST_PHOTOS, gallery

__all__ = ["anchors_of", "environment", "policy", "render_page", "source", "write_html"]

_HERE = Path(__file__).parent
# What the script takes of the pictures.
_DATA = ("images", "photos", "cards", "classes")


def write_html(results: Results, maps: MapStore | None, out: Path) -> Path:
    """Write the page.

    Args:
        results: What was found.
        maps: The run's masks; without them the page has numbers only.
        out: A folder, which gets an ``index.html``; or a file whose name ends in ``.html``.

    Returns:
        The file.

    Raises:
        InputError: The path can't be written.
    """
    file = out if out.suffix.lower() in {".html", ".htm"} else out / "index.html"
    if file != out and out.exists() and not out.is_dir():
        raise InputError(
            f"{out} is a file, so no page can be put into it.",
            "Give a folder, or a name that ends in .html.",
        )
    write_whole(file, render_page(results, maps).encode())
    return file


def render_page(results: Results, maps: MapStore | None) -> str:
    """The page's text. Everything that comes from results is escaped."""
    style, script = source(_HERE / "page.css"), source(_HERE / "page.js")
    artifacts = list(results.artifacts.values())
    everything = [*results.pytorch.values(), *artifacts]
    pictures = gallery(results, maps)
    return (
        environment(_HERE)
        .get_template("page.html.j2")
        .render(
            results=results,
            artifacts=artifacts,
            everything=everything,
            anchors=anchors_of(results),
            failed=results.failures(),
            emulated=any(a.emulated for a in everything),
            gates=[gate for a in artifacts for gate in a.gates],
            wording=wording,
            view=view,
            truth=view.truth_table(results),
            ranges=plots.latency_ranges(everything),
            scatters=[
                ("wide", plots.latency_scatter(everything, 860, 380)),
                ("narrow", plots.latency_scatter(everything, 330, 400)),
            ],
            sweep_line=plots.sweep_line,
            untimed=_untimed(artifacts),
            pictures=pictures,
            most_photos=MOST_PHOTOS,
            data={name: getattr(pictures, name) for name in _DATA},
            class_colors=[_hex(color) for color in CLASS_COLORS],
            not_a_number=_hex(NOT_A_NUMBER),
            style=Markup(style),  # noqa: S704 - ours
            script=Markup(script),  # noqa: S704 - ours
            # Nothing runs or loads but what is in this file: not even a name that got through.
            policy=policy(style, script),
        )
    )


def _untimed(artifacts: list[ArtifactResult]) -> list[tuple[str, list[ArtifactResult]]]:
    """Those that ran and have no latency, by the reason."""
    groups: dict[str, list[ArtifactResult]] = {}
    for artifact in artifacts:
        if artifact.ran and artifact.latency_ms is None:
            groups.setdefault(artifact.no_latency, []).append(artifact)
    return list(groups.items())


def environment(*folders: Path) -> Environment:
    """Of pages whose templates lie in some folders; what comes from elsewhere is escaped."""
    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Its `tojson` writes <, >, & and ' as escapes: data can't end the script that holds it.
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return made


def source(file: Path) -> str:
    """A style or script as a page holds it."""
    # A browser reads \r\n as \n before it hashes.
    return "\n" + file.read_text(encoding="utf-8").replace("\r\n", "\n")


def policy(style: str, script: str) -> str:
    """What a page may do: nothing runs or loads but these two and its own pictures."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def anchors_of(results: Results) -> dict[str, str]:
    """Where each artifact stands on the page, by target."""
    everything = (*results.pytorch, *results.artifacts)
    return {target: f"a-{number}" for number, target in enumerate(everything)}


def _hex(color: tuple[int, int, int]) -> str:
    return f"#{bytes(color).hex()}"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
