"""What mkdocs.yml can't say: pages outside docs/, links between folders, where the package is."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Pages of the repository's root, and what they are in the site, whose root is docs/.
TOP = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
# What of benchmarks/ is of the site: its pages and their pictures.
SHOWN = {".md", ".svg", ".jpg"}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")

_package = tempfile.TemporaryDirectory(prefix="maskport-docs-")


@event_priority(100)  # before mkdocstrings reads its options
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show griffe the package: the repository's root is `maskport`, whatever it is called, and
    holds much else that it would walk through."""
    shown = Path(_package.name) / "maskport"
    shown.mkdir(exist_ok=True)
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {name.split(".")[1] for name in listed["tool"]["setuptools"]["packages"] if "." in name}
    for name in sorted(names | {path.name for path in ROOT.glob("*.py")}):
        link = shown / name
        if not link.is_symlink():
            os.symlink(ROOT / name, link)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_package.name]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for source, target in outside().items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links lead from file to file of the repository, as everywhere; here, from page to page.
    Of a link to a file that is no page, code say, the text stays. A link to nothing is left as it
    is, and mkdocs complains of it."""
    here = page.file.src_uri
    pages = {target: source for source, target in outside().items()}
    folder = posixpath.dirname(pages.get(here, f"docs/{here}"))

    def moved(link: re.Match[str]) -> str:
        aim = posixpath.normpath(posixpath.join(folder, link["path"]))
        target = outside().get(aim) or (aim[len("docs/") :] if aim.startswith("docs/") else "")
        if target and files.get_file_from_path(target) is not None:
            path = posixpath.relpath(target, posixpath.dirname(here) or ".")
            return f"{link['image']}[{link['text']}]({path}{link['anchor'] or ''})"
        return link["text"] if (ROOT / aim).exists() else link[0]

    return LINK.sub(moved, markdown)


def outside() -> dict[str, str]:
    """Files of the repository that are of the site, and where they are in it."""
    evidence = sorted(ROOT.glob("benchmarks/**/*"))
    shown = [p.relative_to(ROOT).as_posix() for p in evidence if p.suffix in SHOWN]
    return TOP | {name: name for name in shown}
