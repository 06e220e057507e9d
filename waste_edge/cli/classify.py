"""`waste-edge classify`: what is on these pictures?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import (
    DEFAULT_BUNDLE,
    AllowOlderOption,
    BundleOption,
    EngineOption,
    JsonOption,
    PrecisionChoice,
    PrecisionOption,
    RequireKeyOption,
    ThreadsOption,
    opened_bundle,
    pictures_of,
    report_bad_picture,
    say_json,
)
from waste_edge.errors import PictureError, UserError
from waste_edge.files.text import as_line, visible

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from waste_edge.bundle.bundle import Bundle
    from waste_edge.engines.classifier import Prediction


def command(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Pictures, or folders that hold some.")
    ] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "int8",
    threads: ThreadsOption = 1,
    require_key: RequireKeyOption = None,
    allow_older: AllowOlderOption = False,
    run: Annotated[Path | None, typer.Option("--run", help="Classify with a training run instead of a bundle.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text for a run whose network reads text.")] = None,
    text_from_name: Annotated[
        bool, typer.Option("--text-from-name", help="Use the words of the file's name as the text.")
    ] = False,
    logits: Annotated[bool, typer.Option("--logits", help="Print a run's logits too.")] = False,
    json: JsonOption = False,
) -> None:
    """Classify pictures, one line each.

    A line has the label, the confidence and every label's probability.

    Folders are searched recursively, without hidden files. A picture that
    resembles none of the labels is "unknown"; the known score is larger the more
    it resembles them. A file that cannot be read is reported on stderr, the rest
    go on, and the exit code is 2. With --json there is one JSON object a line.

    With --run a training run predicts: one for pictures, one for text (which
    needs no PATH), or one for both, which then also prints each model's own
    prediction.

    Example: [bold]waste-edge classify bottle.jpg photos/ --json[/]

    [bold]waste-edge classify --run runs/fused green_bottle.jpg --text-from-name[/]
    """
    if run is not None:
        if (bundle, engine, precision, threads) != (DEFAULT_BUNDLE, "auto", "int8", 1):
            raise UserError("--bundle, --engine, --precision and --threads are for bundles; leave them out with --run")
        if require_key is not None:
            raise UserError(f"{run}: a run is never signed, and a key is required; export it and sign the bundle")
        from waste_edge.cli.classify_run import Question, classify_run

        raise typer.Exit(classify_run(run, Question(tuple(paths or ()), text, text_from_name), logits, json))
    if text is not None or text_from_name or logits:
        raise UserError("--text, --text-from-name and --logits are for training runs; name one with --run")
    if not paths:
        raise UserError("missing PATH: give pictures, or folders that hold some")
    raise typer.Exit(
        _classify(paths, opened_bundle(bundle, require_key, allow_older), engine, precision, threads, json)
    )


def _classify(
    paths: list[Path],
    opening: AbstractContextManager[Bundle],
    engine: str,
    precision: PrecisionChoice,
    threads: int,
    json: bool,
) -> int:
    """Ask a bundle; returns the exit code."""
    from waste_edge.engines.classifier import load_classifier
    from waste_edge.imaging.image_files import read_picture

    failures = 0
    with opening as opened:
        classifier = load_classifier(opened, engine, precision, threads)
        write = _write_json if json else _write_line
        for given in paths:
            try:
                for path in pictures_of(given):
                    try:
                        write(path, classifier.classify(read_picture(path)), classifier.labels)
                    except PictureError as error:
                        failures += report_bad_picture(error)
            except PictureError as error:
                failures += report_bad_picture(error)
    return 2 if failures else 0


def _write_json(path: Path, prediction: Prediction, labels: tuple[str, ...]) -> None:
    import msgspec

    from waste_edge.engines.classifier import prediction_fields

    fields = {"path": as_line(str(path))} | prediction_fields(prediction, labels)
    say_json(msgspec.json.encode(fields).decode())


def _write_line(path: Path, prediction: Prediction, labels: tuple[str, ...]) -> None:
    ranked = sorted(zip(labels, prediction.probabilities, strict=True), key=lambda pair: -pair[1])
    shares = ", ".join(f"{visible(label)} {share:.3f}" for label, share in ranked)
    colour = "green" if prediction.label == prediction.best else "yellow"
    label = typer.style(visible(prediction.label), fg=colour, bold=True)
    typer.echo(
        f"{visible(str(path))}: {label} {prediction.confidence:.1%} ({shares}), "
        f"known score {prediction.known_score:.2f}, {prediction.latency_ms:.1f} ms"
    )
