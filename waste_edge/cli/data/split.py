"""`waste-edge data split`: a split one can keep, as a data set in a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, progress_bar, say, say_json

if TYPE_CHECKING:
    from rich.table import Table

    from waste_edge.dataset import Dataset, Part, Photo, SplitSpec


def command(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder with one folder of pictures a label, or a data-set CSV.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write.", show_default=False)],
    val: Annotated[float | None, typer.Option("--val", help="Share of the validation part; default 0.2.")] = None,
    test: Annotated[float, typer.Option("--test", help="Share of the test part.")] = 0.2,
    folds: Annotated[
        int | None,
        typer.Option("--folds", help="Number of folds to split all but the test part into, instead of --val."),
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", help="Write this fold alone, counted from 0; else one file a fold.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed of the split.")] = 0,
    json: JsonOption = False,
) -> None:
    """Split labelled pictures or texts into train, val and test, and write a CSV.

    Groups (the data's own, or else near-duplicates) stay together, and each label
    has its share in each part. Parts that the data give are kept. The file is a
    data set itself: give it to --data, and exactly this split is used.

    \b
    Examples:
      waste-edge data split photos --out split.csv
      waste-edge data split photos --out folds.csv --folds 5

    The last one writes folds-0.csv to folds-4.csv.
    """
    from waste_edge.dataset import group_near_duplicates, missing_labels, open_dataset, split, write_table
    from waste_edge.dataset.looking import cores
    from waste_edge.errors import UserError
    from waste_edge.files.remarks import remark
    from waste_edge.files.strict import to_json

    if out.suffix.lower() != ".csv":
        raise UserError(f"{out}: --out takes the name of a .csv file")
    specs = _specs(out, val, test, folds, fold, seed)
    for path in specs:
        if path.exists():
            raise UserError(f"{path}: exists already, and a split is a thing to keep; choose another --out")
    with progress_bar("looking for near-duplicates") as progress:
        dataset = group_near_duplicates(open_dataset(source), progress, cores())
    splits = {path: split(dataset, spec) for path, spec in specs.items()}
    for path, parts in splits.items():
        write_table(path, dataset, parts)
        for part, labels in missing_labels(dataset, parts).items():
            remark(f"{path}: the {part} part has no picture of {', '.join(labels)}")
    if json:
        say_json(to_json({"splits": [_as_dict(path, dataset, parts) for path, parts in splits.items()]}))
        return
    for path, parts in splits.items():
        console().print(_table(path, dataset, parts))
    say(_grouping(dataset))


def _specs(
    out: Path, val: float | None, test: float, folds: int | None, fold: int | None, seed: int
) -> dict[Path, SplitSpec]:
    """Each file to write and how its split is made."""
    from waste_edge.dataset import SplitSpec
    from waste_edge.errors import UserError

    if folds is None and fold is not None:
        raise UserError(f"--fold {fold}: of how many? Give --folds too")
    if folds is not None and val is not None:
        raise UserError(f"--val {val:g}: --folds {folds} gives each part its share; leave one of them out")
    if folds == 0:
        raise UserError("--folds 0: expected 2 or more; leave it out for one split")
    try:
        if folds is None:
            return {out: SplitSpec(seed=seed, val_fraction=0.2 if val is None else val, test_fraction=test)}
        wanted = range(folds) if fold is None else [fold]
        specs = [SplitSpec(seed=seed, test_fraction=test, folds=folds, fold=number) for number in wanted]
    except ValueError as error:
        raise UserError(f"{str(error).replace('_fraction', '')} (--val, --test, --folds, --fold)") from error
    if fold is not None:
        return {out: specs[0]}
    return {out.with_name(f"{out.stem}-{spec.fold}{out.suffix}"): spec for spec in specs}


def _counts(dataset: Dataset, parts: dict[Part, list[Photo]]) -> dict[str, dict[Part, int]]:
    """Label -> part -> photos."""
    return {
        label: {part: sum(photo.label == label for photo in photos) for part, photos in parts.items()}
        for label in dataset.labels
    }


def _as_dict(path: Path, dataset: Dataset, parts: dict[Part, list[Photo]]) -> dict[str, object]:
    return {
        "path": str(path),
        "grouped": "by the data" if dataset.grouped else "near-duplicates",
        "groups": len({photo.group for photo in dataset.photos}),
        "counts": _counts(dataset, parts),
    }


def _table(path: Path, dataset: Dataset, parts: dict[Part, list[Photo]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(str(path)), title_justify="left", title_style="bold")
    table.add_column("label")
    for part in parts:
        table.add_column(part, justify="right")
    for label, counts in _counts(dataset, parts).items():
        table.add_row(escape(label), *(str(count or "·") for count in counts.values()))
    table.add_section()
    table.add_row("all", *(str(len(photos)) for photos in parts.values()))
    return table


def _grouping(dataset: Dataset) -> str:
    groups = len({photo.group for photo in dataset.photos})
    how = "the data's own groups" if dataset.grouped else "near-duplicates together"
    return f"{len(dataset.photos)} in {groups} groups ({how}); no group is on two sides of what was divided here"
