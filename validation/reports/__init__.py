"""What a run leaves behind for people and machines, all drawn from the same `Results`.

| file | for whom |
|---|---|
| `write_json` | programs, ``maskport gate``, ``--baseline``; the others can be made from it |
| `write_junit` | CI systems, which draw test cases |
| `write_markdown` | a pull request |
| `write_html` | people: one page that needs nothing but a browser |

Each is written whole or not at all.
"""

from __future__ import annotations

from .files import write_json
from .junit import write_junit
from .markdown import write_markdown
from .page import write_html

__all__ = ["write_html", "write_json", "write_junit", "write_markdown"]
