"""`waste-edge export`: a run becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption, console, host_only

if TYPE_CHECKING:
    from waste_edge.manifest import Manifest

SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="Sign the bundle with this ed25519 private key (PEM), for devices told to --require-key.",
    ),
]


def command(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.", show_default=False)],
    data: DataOption,
    out: Annotated[
        Path, typer.Option("--out", help="The bundle to make: a folder, or a .zip by its name.", show_default=False)
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", help="How to quantize: a .toml file, or the name of one in export/.")
    ] = "static_wi8_ai8",
    name: Annotated[str, typer.Option("--name", help="The bundle's name; --out's own if not given.")] = "",
    version: Annotated[str, typer.Option("--version", help="The bundle's version.")] = "1",
    licence: Annotated[str, typer.Option("--licence", help="The bundle's licence, written into it.")] = "unspecified",
    sign: SignOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run as ONNX and TFLite, FP32 and INT8, measured and packed as a bundle.

    --data takes the photographs the run was trained on: training pictures set the quantization ranges, validation
    pictures the thresholds and scores.

    [dim]waste-edge export runs/student --data photos --out my-bundle[/]
    """
    from rich.progress import Progress

    with host_only("export"):
        from waste_edge.export.quiet import quiet

        with quiet("loading the exporters"):
            from waste_edge.export.build import Naming, export_bundle
        from waste_edge.export.recipe import read_export_recipe
        from waste_edge.training.runs import open_run
    from waste_edge.files import telling_a_full_disk
    from waste_edge.signing import read_signer

    signer = None if sign is None else read_signer(sign)
    naming = Naming(name or out.stem, version, licence)
    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("exporting", total=None)

        def step(words: str) -> None:
            bar.update(task, description=words, total=None, completed=0)
            bar.console.print(words)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        with telling_a_full_disk("free some space, or choose another place by --out and the variable TMPDIR"):
            quantization = read_export_recipe(recipe)
            manifest = export_bundle(open_run(run), data, out, quantization, naming, step, progress, signer)
    if as_json:
        from waste_edge.strict import to_json

        typer.echo(to_json(manifest), nl=False)
        return
    _print_table(out, manifest)


def _print_table(out: Path, manifest: Manifest) -> None:
    from rich.table import Table

    table = Table(title=f"{out}: {manifest.name} {manifest.version}", title_justify="left")
    for heading in ("artifact", "bytes", "accuracy (95 %)", "same label as torch", "largest logit difference"):
        table.add_column(heading, justify="left" if heading == "artifact" else "right")
    for name, one in manifest.metrics.artifacts.items():
        scores = one.scores
        table.add_row(
            name,
            f"{manifest.artifacts[name].size_bytes:,}",
            f"{scores.accuracy:.1%} ({scores.accuracy_low:.1%} to {scores.accuracy_high:.1%})",
            f"{one.agreement:.1%}",
            f"{one.max_logit_difference:.3f}",
        )
    console().print(table)
    console().print(f"[dim]{manifest.metrics.protocol}[/]")
