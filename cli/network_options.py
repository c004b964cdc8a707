"""Options that several commands have in common, for a network and how it is quantised."""

from __future__ import annotations

import click

__all__ = ["prefer_option", "size_option", "weights_option"]

weights_option = click.option(
    "--weights",
    metavar="FILE",
    help="A .pth, .pt, .safetensors or .onnx file; the catalog's own where left out.",
)
size_option = click.option(
    "--size", metavar="SIDE", help="320 for a square, 320x480 for height x width."
)
prefer_option = click.option(
    "--prefer",
    type=click.Choice(["latency", "fidelity"]),
    default="latency",
    show_default=True,
    help="The fastest mix that holds the budget, or with parts in float that cost next to nothing.",
)
