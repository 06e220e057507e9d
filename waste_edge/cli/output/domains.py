"""Shared parts of `evaluate --domains` and `compare --domains`: options, check for copies, writing, printing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import console, progress_bar, say_json
from waste_edge.cli.output.report import check_outputs, print_table
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.dataset import Dataset, Domains, Photo
    from waste_edge.evaluation.comparison.models import Model
    from waste_edge.evaluation.domains.report import DomainsReport

DomainsOption = Annotated[
    Path | None,
    typer.Option(
        "--domains",
        metavar="CSV",
        help="Score by source, with rejection of unknown things: a file of pictures of other sources "
        "(docs/domains.md).",
    ),
]
AllowLeakOption = Annotated[
    bool,
    typer.Option("--allow-leak", help="Continue although test pictures are near-copies of training pictures."),
]


def check_domains(
    domains: Path | None, others: Mapping[str, object], allow_leak: bool, page: Path | None, markdown: Path | None
) -> None:
    """Say before anything is measured what does not go together, or cannot be written.

    Args:
        others: by name, the options that ask for another report.
    """
    if domains is None:
        if allow_leak:
            raise UserError("--allow-leak: is of --domains; add that")
        return
    if given := [name for name, value in others.items() if value]:
        raise UserError(f"--domains and {given[0]} are two reports; ask for one at a time")
    check_outputs(page, markdown)


def measured_domains(
    models: Sequence[Model], dataset: Dataset, photos: Sequence[Photo], protocol: str, path: Path, allow_leak: bool
) -> DomainsReport:
    """Ask every model about home and about every source, once no copy is on both sides.

    Args:
        photos: held-back pictures of the models' own data, or all of any other data.
        protocol: which these are, in words.

    Raises:
        DataError: the file is wrong, or holds near-copies of pictures that taught one of the models.
        UserError: a model looks at no pictures.
    """
    from msgspec.structs import replace

    from waste_edge.dataset import open_domains
    from waste_edge.evaluation.domains.measure import Home, measure_domains

    for model in models:
        if model.run is not None and model.run.reader().sees is None:
            raise UserError(f"{model.name}: reads text alone, and sees no other source; leave out --domains")
    domains = open_domains(path)
    copies = _copies(models, dataset, domains, allow_leak)
    with ExitStack() as stack:

        def asking(name: str) -> Callable[[int, int], None]:
            return stack.enter_context(progress_bar(name))

        report = measure_domains(models, Home(dataset.name, photos, protocol), domains, asking)
    return replace(report, copies=copies)


def _copies(models: Sequence[Model], dataset: Dataset, domains: Domains, allow_leak: bool) -> list[str]:
    """Copies of the pictures that taught the models, as far as these are at hand: those of --data and of the file."""
    from waste_edge.dataset.near_duplicates import find_copies, refuse_copies

    fingerprint = dataset.fingerprint()
    taught = {key for model in models if model.fingerprint == fingerprint for key in model.parts_of(dataset)["train"]}
    teachers = [photo for photo in dataset.photos if photo.key in taught]
    sources = sorted({source for model in models for source in model.domains if source in domains.sources})
    judged = domains.without(sources) if sources else domains
    teachers += [row.photo for row in domains.rows if row.source in sources and not row.why_not]
    with progress_bar("looking for near-copies of training pictures") as progress:
        found = find_copies(teachers, judged.photos, progress) if teachers else []
    if not allow_leak:
        refuse_copies(found, "take one of each two away, or go on with --allow-leak")
    return [copy.sentence for copy in found]


def tell_domains(report: DomainsReport, page: Path | None, markdown: Path | None, json: bool) -> None:
    """Write what was asked for, and print the tables, or JSON and nothing else."""
    from waste_edge.evaluation.domains.tables import domains_markdown, reading, screen_tables
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    if page is not None:
        from waste_edge.evaluation.domains.tables import domains_html

        write_atomically(page, domains_html(report))
        write_atomically(page.with_suffix(".json"), to_json(report))
    if markdown is not None:
        write_atomically(markdown, domains_markdown(report))
    if json:
        say_json(to_json(report))
        return
    screen = console()
    for copy in report.copies:
        screen.print(f"leak: {copy}", markup=False, soft_wrap=True, style="bold")
    for table in screen_tables(report):
        print_table(screen, table)
    screen.print(reading(report), markup=False, soft_wrap=True)
    for words, path in (("the page", page), ("the tables", markdown)):
        if path is not None:
            screen.print(f"{words}: {path}", markup=False, soft_wrap=True)
