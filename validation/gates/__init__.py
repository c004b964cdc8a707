"""Gates: what results must reach, where the limits come from, and the verdict.

| module | what it holds |
|---|---|
| `quantities` | every metric that a gate can look at: its name, which way it is good, its value |
| `gate` | one gate, and how it is written |
| `selection` | which gates an artifact has to pass, of defaults, a file and the command line |
| `gate_file` | the TOML file, and the defaults that ship with the package |
| `baseline` | older results as a gate: nothing may get worse; what else differs from their run |
| `verdict` | gates and results to a verdict and an exit code |
| `sentences` | that verdict in words |

docs/gates.md explains the language and gives the reason of each default.
"""

from __future__ import annotations

from .baseline import notes
from .gate import parse_gate, parse_gates
from .gate_file import assemble, default_gates, load_gates
from .quantities import known_names, quantity
from .selection import TARGET_NAMES, Gates
from .verdict import decide, exit_code

__all__ = [
    "TARGET_NAMES",
    "Gates",
    "assemble",
    "decide",
    "default_gates",
    "exit_code",
    "known_names",
    "load_gates",
    "notes",
    "parse_gate",
    "parse_gates",
    "quantity",
]
