"""``maskport snippet``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import PATH

__all__ = ["command"]


@click.command(name="snippet")
@click.argument("bundle", type=PATH)
@click.argument("target")
@click.option("--language", metavar="NAME", help="Print one of this language.")
@click.option(
    "--by", metavar="NAME", help="By this runtime or interface, where a language has several."
)
@click.option("--out", metavar="DIR", type=PATH, help="Write files into this folder instead.")
def command(
    bundle: Path, target: str, language: str | None, by: str | None, out: Path | None
) -> None:
    """Print code for an app that runs BUNDLE's file of TARGET: a photo in, a cut-out out.

    Without --language it lists what there is.

    \b
    maskport snippet exports/demo tflite-fp16
    maskport snippet exports/demo tflite-fp16 --language kotlin > Segmenter.kt
    maskport snippet exports/demo coreml-fp16 --out MyApp/
    """
    from ..artifacts.bundle import load_bundle
    from ..artifacts.snippets import snippets
    from ..errors import InputError, UsageError, did_you_mean
    from ..outputs import write_whole
    from .tables import print_table

    loaded = load_bundle(bundle)
    every = snippets(loaded.manifest, loaded.artifact(target))
    if not every:
        raise UsageError(
            f"There is no code for {target}.",
            "There is some for files of coreml, tflite and onnx that take one photo and have all "
            "else that the network wants inside.",
        )
    for option, name, known in (
        ("--language", language, {s.language.name for s in every}),
        ("--by", by, {s.variant for s in every if language in {None, s.language.name}}),
    ):
        if name is not None and name not in known:
            raise UsageError(
                f"{target} has no code {option} {name}.",
                f"{did_you_mean(name, known)}There is {', '.join(sorted(known))}.",
            )
    chosen = [
        snippet
        for snippet in every
        if language in {None, snippet.language.name} and by in {None, snippet.variant}
    ]
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            for snippet in chosen:
                write_whole(out / snippet.file, snippet.text)
                click.echo(out / snippet.file)
        except OSError as exc:
            raise InputError(
                f"{out} can't be written: {exc.strerror or exc}.", "Give another --out."
            ) from exc
    elif language is None and by is None:
        rows = [(snippet.language.name, snippet.variant, snippet.file) for snippet in chosen]
        print_table(("language", "by", "file"), rows)
    else:
        click.echo(chosen[0].text, nl=False)
        for other in chosen[1:]:
            click.echo(
                f"There is also --language {other.language.name} --by {other.variant}", err=True
            )
