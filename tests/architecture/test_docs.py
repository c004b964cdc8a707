"""Docs say what there is: a page a command, options that it has, every page in the site, links
that lead somewhere. (`tox -e docs` checks anchors, too.)"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from maskport.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COMMANDS = cli.list_commands(click.Context(cli))
PAGES = sorted(
    [
        *(*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("benchmarks/*.md")),
        *(*ROOT.glob("examples/*.md"), *ROOT.glob("examples/*/*.md")),
    ],
    key=lambda page: page.as_posix(),
)


def named_pages(nav: Any) -> set[str]:
    """Every page of mkdocs.yml's tree."""
    if isinstance(nav, str):
        return {nav}
    children = nav.values() if isinstance(nav, dict) else nav
    return set().union(*map(named_pages, children))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_a_page(command: str) -> None:
    text = (DOCS / f"{command}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# maskport {command}\n")
    assert "## Exit codes\n" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_page_are_those_of_its_command(command: str) -> None:
    text = (DOCS / f"{command}.md").read_text(encoding="utf-8")
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    has = {flag for option in found.params for flag in (*option.opts, *option.secondary_opts)}
    for row in re.findall(r"^\| (`--[^|]+) \|", text, re.MULTILINE):
        assert set(re.findall(r"--[a-z-]+", row)) <= has


def test_the_start_names_every_command() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    assert all(f"| [`{command}`]({command}.md) |" in text for command in COMMANDS)


def test_every_page_of_docs_is_in_the_sites_tree() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert pages <= named_pages(site["nav"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
