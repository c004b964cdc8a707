"""The command line: parsing and printing. Commands are imported when they are called."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from ..errors import MaskportError
from ..outputs import full, no_room
from ..outside.secrets import without_logins
from ..signals import heard
from .lazy import LazyGroup
from .streams import steady_streams
from .tables import printable

__all__ = ["cli", "main"]

# Name, which is that of the module, and the line in --help; no module is imported for it.
_COMMANDS = {
    "export": "Export a checkpoint to the files that phones run.",
    "adopt": "Make a bundle of files that other tools made.",
    "validate": "Compare every artifact with PyTorch, time it, and gate it.",
    "bench": "Time every artifact beside PyTorch.",
    "gate": "Gate saved results again, without running anything.",
    "drift": "Find where an artifact and PyTorch part ways, module by module.",
    "train": "Train or fine-tune a network on photos with masks.",
    "apply": "Cut out, replace backgrounds, crop and more, by any artifact.",
    "gallery": "Make a page of photos and what was made of them, under sliders.",
    "serve": "Serve an HTTP API and a web page that cut out, by any artifacts.",
    "evaluate": "Measure a checkpoint or an artifact against ground truth.",
    "sensitivity": "Show what INT8 costs each part of a network.",
    "quantize": "Find the recipe whose masks hold a budget.",
    "snippet": "Print code for an app that runs an artifact.",
    "package": "Put a platform's files into one zip, with code and a card.",
    "publish": "Put a bundle into a store, as a version that never changes.",
    "pull": "Have a bundle from a store, every byte checked.",
    "list": "List the bundles of a store.",
    "cache": "Show what exports have kept, and make room.",
    "verify": "Hold a bundle's files against its manifest, and its signature.",
    "sign": "Sign a bundle: a key, a certificate or an account.",
    "provenance": "Print where a bundle came from, or what it consists of.",
    "sweep": "Export and validate many networks, sizes and targets, on Ray.",
    "inspect": "Say what is in any file of these formats, ours or not.",
    "targets": "List the targets and what is installed for them.",
    "catalog": "List the networks that have a name.",
    "fetch": "Download published weights.",
}

INTERRUPTED = 130


@click.group(
    cls=LazyGroup,
    commands={name: (f".cli.{name}:command", line) for name, line in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    package_name="maskport", message="maskport %(version)s", help="Print the version."
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """From a mask-producing PyTorch checkpoint to the files that iOS and Android apps ship,
    each shown to draw the same mask.

    Exit codes: 0 fine, 1 a check failed, 2 bad input or usage, 3 a tool is missing or broke.
    """
    ctx.obj = {"debug": debug}


def main(arguments: list[str] | None = None) -> None:
    """Run a command; the only place that turns errors into exit codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    # Being told to end is handled like Ctrl-C, so that nothing half-written stays behind.
    for number in heard():
        signal.signal(number, signal.default_int_handler)
    steady_streams()
    try:
        code: Any = cli.main(
            [a for a in arguments if a != "--debug"], "maskport", standalone_mode=False
        )
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message())
        sys.exit(2)
    except click.ClickException as exc:
        shown = io.StringIO()
        exc.show(shown)
        click.echo(without_logins(shown.getvalue()), err=True, nl=False)
        sys.exit(2)
    except MaskportError as exc:
        if debug:
            click.echo(without_logins(traceback.format_exc()), err=True)
        _complain(exc.what, exc.remedy)
        sys.exit(exc.exit_code)
    except (KeyboardInterrupt, click.Abort) as exc:
        # click turns the one into the other, and its words are the cause's.
        said = str(exc) or str(exc.__cause__ or "")
        click.echo(f"\nInterrupted; {said or 'nothing was changed.'}", err=True)
        sys.exit(INTERRUPTED)
    except Exception as exc:
        if debug:
            click.echo(without_logins(traceback.format_exc()), err=True)
        if no_room(exc):
            place = getattr(exc, "filename", None)
            lack = full(Path(os.fsdecode(place)) if isinstance(place, str | bytes) else None)
            _complain(lack.what, lack.remedy)
            sys.exit(lack.exit_code)
        _complain(
            f"maskport broke: {type(exc).__name__}: {exc}",
            "This is a bug. Run it again with --debug and report the traceback.",
        )
        sys.exit(3)


def _complain(what: str, remedy: str) -> None:
    """Names in it may come from files, and must not steer the terminal."""
    what, remedy = (
        without_logins("\n".join(map(printable, text.split("\n")))) for text in (what, remedy)
    )
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {what}", err=True)
    if remedy:
        click.echo(remedy, err=True)
