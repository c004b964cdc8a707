"""Sweeps: many exports and validations, on Ray.

``docs/sweep.md`` has the plan's keys, and ``docs/scale.md`` what carries how much.
"""

from __future__ import annotations

from .plan import Plan, read_plan

__all__ = ["Plan", "read_plan"]
