"""`waste-edge classify --run`: the same question put to a training run, which may read a text too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from waste_edge.cli.common import host_only, pictures_of, report_bad_picture, say_json
from waste_edge.errors import PictureError, UserError
from waste_edge.files.text import as_line, as_utf8, visible

if TYPE_CHECKING:
    from waste_edge.training.evaluation.evaluate import RunPrediction, RunPredictor

_Answer = tuple["RunPrediction", dict[str, "RunPrediction"]]


@dataclass(frozen=True)
class Question:
    """Inputs of one `classify` call.

    Attributes:
        paths: pictures and folders.
        text: goes with every one of them, or stands alone.
        from_name: each picture's name is its text.
    """

    paths: tuple[Path, ...]
    text: str | None
    from_name: bool


def classify_run(run: Path, question: Question, with_logits: bool, as_json: bool) -> int:
    """Write one line for each picture, or for the text alone; returns the exit code.

    Raises:
        MissingPackageError: torch is not installed.
        RunError: see `open_run`.
        UserError: the question is not one that this run can be asked.
    """
    with host_only("train"):
        from waste_edge.training.evaluation.evaluate import RunPredictor
        from waste_edge.training.runs import open_run

        predictor = RunPredictor(open_run(run))
    _check(run, question, predictor)
    write = _write_json if as_json else _write_line
    failures = 0
    if not question.paths:
        text = question.text or ""
        write(None, text, predictor.predict(None, text), with_logits)
    for given in question.paths:
        for path in _found(given):
            try:
                if isinstance(path, PictureError):
                    raise path
                write(path, *_predict(predictor, path, question), with_logits)
            except PictureError as error:
                failures += report_bad_picture(error)
    return 2 if failures else 0


def _check(run: Path, question: Question, predictor: RunPredictor) -> None:
    """Raise UserError unless this run can be asked this question."""
    if question.text is not None and question.from_name:
        raise UserError("--text and --text-from-name both say what to read; give one of them")
    has_text = question.text is not None or question.from_name
    if has_text and not predictor.reads_text:
        raise UserError(f"{run}: looks at pictures alone; leave out --text and --text-from-name")
    if predictor.reads_text and not has_text:
        raise UserError(f"{run}: reads text; give it with --text, or --text-from-name for the file's name")
    if predictor.looks and not question.paths:
        raise UserError(f"{run}: looks at pictures; give their paths")
    if not predictor.looks and question.paths and question.text is not None:
        raise UserError(f"{run}: reads text alone; leave out either the paths or --text")
    if question.from_name and not question.paths:
        raise UserError("--text-from-name needs the paths of files; give them, or --text")


def _found(given: Path) -> Iterator[Path | PictureError]:
    try:
        yield from pictures_of(given)
    except PictureError as error:
        yield error


def _predict(predictor: RunPredictor, path: Path, question: Question) -> tuple[str | None, _Answer]:
    """The text that went with a picture, if any, and the answer."""
    from waste_edge.dataset import text_of_name
    from waste_edge.imaging.image_files import read_picture

    if not predictor.looks and not path.is_file():
        raise PictureError(f"{path}: no such file; check the path")
    text = text_of_name(path) if question.from_name else question.text
    pixels = read_picture(path) if predictor.looks else None
    return text, predictor.predict(pixels, text or "")


def _write_json(path: Path | None, text: str | None, answer: _Answer, with_logits: bool) -> None:
    whole, members = answer
    fields: dict[str, Any] = {"path": None if path is None else as_line(str(path)), "text": text}
    fields |= _as_fields(whole, with_logits)
    fields["opinions"] = {name: _as_fields(one, with_logits) for name, one in members.items()}
    say_json(as_utf8(json.dumps(fields, ensure_ascii=False)))


def _as_fields(one: RunPrediction, with_logits: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "label": one.label,
        "confidence": one.confidence,
        "probabilities": dict(zip(one.labels, one.probabilities.tolist(), strict=True)),
    }
    if with_logits:
        fields["logits"] = dict(zip(one.labels, one.logits.tolist(), strict=True))
    return fields


def _write_line(path: Path | None, text: str | None, answer: _Answer, with_logits: bool) -> None:
    whole, members = answer
    subject = repr(text) if path is None else str(path)
    shares = _ranked(whole, whole.probabilities.tolist())
    label = typer.style(visible(whole.label), fg="green", bold=True)
    told = [f"{label} {whole.confidence:.1%} ({shares})"]
    if with_logits:
        told.append(f"logits {_ranked(whole, whole.logits.tolist())}")
    for name, one in members.items():
        own = f"{visible(name)}: {visible(one.label)} {one.confidence:.1%}"
        told.append(f"{own}, logits {_ranked(one, one.logits.tolist())}" if with_logits else own)
    typer.echo(f"{visible(subject)}: {'; '.join(told)}")


def _ranked(one: RunPrediction, values: list[float]) -> str:
    ranked = sorted(zip(one.labels, values, strict=True), key=lambda pair: -pair[1])
    return ", ".join(f"{visible(label)} {value:.3f}" for label, value in ranked)
