"""Shared parts of `evaluate --report` and `compare`: opening models by name, building and writing the report."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import host_only, opened_bundle, progress_bar
from waste_edge.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from waste_edge.dataset import Dataset, Photo
    from waste_edge.evaluation.comparison.build import Leak
    from waste_edge.evaluation.comparison.held_out import Pictures
    from waste_edge.evaluation.comparison.models import Model
    from waste_edge.evaluation.report.content import ComparisonReport, TwoStages
    from waste_edge.evaluation.report.tables import Table

UnknownOption = Annotated[
    str | None,
    typer.Option(
        "--unknown",
        metavar="DIR|rendered",
        help="Pictures of unknown things, to measure rejection; rendered: stand-ins drawn by this program.",
    ),
]
ElsewhereOption = Annotated[
    bool,
    typer.Option(
        "--elsewhere", help="Score the pictures' items on rendered backgrounds too, of kinds not used in training."
    ),
]


def is_run(given: str) -> bool:
    """Return whether a word names a training run's folder."""
    return (Path(given) / "run.json").is_file()


@contextlib.contextmanager
def opened_models(given: Sequence[str]) -> Iterator[list[Model]]:
    """The models that words name, closed afterwards.

    A word is a run's folder, a bundle (its INT8 network on the preferred engine), `BUNDLE:ARTIFACT`, or
    `BUNDLE:all` for every artifact.

    Raises:
        UserError: the same model twice, or none under the name.
    """
    with contextlib.ExitStack() as stack:
        models: list[Model] = []
        for word, name in zip(given, _short_names(given), strict=True):
            models += [_of_run(Path(word), name)] if is_run(word) else _of_bundle(word, name, stack)
        names = [model.name for model in models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(f"{', '.join(twice)}: given twice; name each model once")
        yield models


def _of_run(folder: Path, name: str) -> Model:
    try:
        from waste_edge.training.evaluation.evaluate import model_of_run
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{folder}: a training run needs {error.name}, not installed here; pip install 'waste-edge[train]'"
        ) from error
    return model_of_run(folder, name)


def _of_bundle(word: str, name: str, stack: contextlib.ExitStack) -> list[Model]:
    from waste_edge.bundle.manifest import ARTIFACT_NAMES
    from waste_edge.evaluation.comparison.models import model_of_bundle

    place, colon, artifact = word.rpartition(":")
    if not colon or (artifact != "all" and artifact not in ARTIFACT_NAMES):
        return [model_of_bundle(stack.enter_context(opened_bundle(word)), None, name)]
    bundle = stack.enter_context(opened_bundle(place))
    wanted = [one for one in ARTIFACT_NAMES if one in bundle.manifest.artifacts] if artifact == "all" else [artifact]
    return [model_of_bundle(bundle, one, name.rpartition(":")[0]) for one in ARTIFACT_NAMES if one in wanted]


def _short_names(given: Sequence[str]) -> list[str]:
    """The last part of each path, or the whole of it where two end alike."""
    last = [Path(word).name or word for word in given]
    return [name if last.count(name) == 1 else word for name, word in zip(last, given, strict=True)]


def grouped_dataset(data: Path, model: Model) -> Dataset:
    """The data under a model's labels, near-duplicates grouped, as every split and interval takes them."""
    from waste_edge.dataset import group_near_duplicates, open_dataset

    with progress_bar("looking for near-duplicates") as progress:
        return group_near_duplicates(open_dataset(data, model.labels, model.label_map), progress)


def report_on(
    models: Sequence[Model],
    dataset: Dataset,
    pictures: Pictures,
    unknown: str | None,
    elsewhere: bool,
    full: bool,
) -> ComparisonReport:
    """Build the report under a progress bar for each model.

    Args:
        unknown, elsewhere: what the options of these names were given.
        full: look for leaks and measure latencies too, for a report that is shown and not for its numbers alone.

    Raises:
        MissingPackageError: a full report needs the packages of a workstation.
    """
    from waste_edge.evaluation.comparison.build import ReportExtras, build_report
    from waste_edge.evaluation.rendered_pictures import open_unknown, shift_backgrounds

    leaks: Sequence[Leak] = ()
    if full:
        with host_only("train"):
            from waste_edge.training.data.leakage import find_leaks

            leaks = find_leaks(dataset)
    if elsewhere and (blind := [one.name for one in models if one.run and one.run.reader().sees is None]):
        raise UserError(f"{blind[0]}: reads text alone, and sees no other place; leave out --elsewhere")
    strange = open_unknown(unknown) if unknown else None
    with contextlib.ExitStack() as stack:

        def asking(name: str) -> Callable[[int, int], None]:
            return stack.enter_context(progress_bar(name))

        moved = shift_backgrounds(pictures.scored, asking("cutting items out")) if elsewhere else None
        machine = _machine() if full else ""
        report = build_report(models, dataset, pictures, asking, ReportExtras(strange, moved, leaks, machine))
    if full and any(model.run and model.run.info.recipe.cascade for model in models):
        from msgspec.structs import replace

        report = replace(report, stages=_stages(models, pictures))
    return report


def _stages(models: Sequence[Model], pictures: Pictures) -> list[TwoStages]:
    """Each label tree in one network against each cascade of the same tree."""
    from waste_edge.training.evaluation.two_stages import compare_stages, same_tree

    runs = [model.run for model in models if model.run]
    return [
        compare_stages(one, cascade, pictures.scored, pictures.protocol)
        for one in runs
        for cascade in runs
        if same_tree(one, cascade)
    ]


def check_outputs(page: Path | None, markdown: Path | None = None) -> None:
    """Find out what cannot be written before minutes are spent on what is to go there.

    Raises:
        UserError: a file that is a folder or in none, or a page whose JSON would take its own place.
        MissingPackageError: a page is wanted, and the packages of a workstation are missing.
    """
    for path in (page, markdown):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise UserError(f"{path}: expected a file in a folder that exists")
    if page is None:
        return
    if page.suffix == ".json":
        raise UserError(f"{page}: the page is HTML, with a .json beside it; give a name that ends in .html")
    with host_only("train"):
        importlib.import_module("jinja2")


def write_page(report: ComparisonReport, photos: Sequence[Photo], path: Path) -> None:
    """Write the page, and beside it the same content as JSON under the same name.

    Raises:
        UserError: one of them cannot be written.
    """
    from waste_edge.evaluation.report.page import thumbnails_for, to_html
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    write_atomically(path, to_html(report, thumbnails_for(report, photos)))
    write_atomically(path.with_suffix(".json"), to_json(report))


def print_table(screen: Console, table: Table) -> None:
    """One of a report's tables, as the terminal draws it."""
    from rich.markup import escape
    from rich.table import Table as Drawn

    drawn = Drawn(title=table.title, title_justify="left", title_style="bold")
    for index, heading in enumerate(table.headings):
        drawn.add_column(escape(heading), justify="right" if index else "left")
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    screen.print(drawn)
    if table.note:
        screen.print(table.note, markup=False, soft_wrap=True)


def _machine() -> str:
    from waste_edge.benchmarks.facts import read_machine
    from waste_edge.benchmarks.show import describe_machine

    return describe_machine(read_machine())
