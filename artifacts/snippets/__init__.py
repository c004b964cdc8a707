"""Code for apps, from templates and the manifest."""

from __future__ import annotations

from .render import LANGUAGES, Snippet, environment, snippets

__all__ = ["LANGUAGES", "Snippet", "environment", "snippets"]
