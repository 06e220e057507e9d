"""Pictures of a training, for people who would rather look than read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from waste_edge.files.atomic import write_atomically
from waste_edge.metrics.classification import Scores


def plot_curves(path: Path, title: str, losses: Sequence[float], accuracies: Sequence[float | None]) -> None:
    """Training loss and validation accuracy by epoch, as a PNG."""
    epochs = range(1, len(losses) + 1)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, losses, marker="o", markersize=3, color="#b5542d")
    left.set(title="training loss", xlabel="epoch", ylim=(0, None))
    seen = [(epoch, value * 100) for epoch, value in zip(epochs, accuracies, strict=True) if value is not None]
    right.plot([epoch for epoch, _ in seen], [value for _, value in seen], marker="o", markersize=3, color="#2d6a4f")
    right.set(title="validation accuracy, %", xlabel="epoch")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=11)
    _save(path, figure)


def plot_sweep(path: Path, title: str, points: Sequence[tuple[float, float, float]], best: float) -> None:
    """Accuracy and weighted F1 against alpha, as a PNG.

    Args:
        points: alpha, accuracy and weighted F1 each.
        best: the alpha that was chosen.
    """
    alphas, accuracies, f1s = zip(*points, strict=True)
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.axvline(best, color="#999999", linestyle=":", label=f"chosen: {best:g}")
    axes.plot(alphas, [value * 100 for value in accuracies], marker="o", color="#2d6a4f", label="accuracy")
    axes.plot(alphas, [value * 100 for value in f1s], marker="s", linestyle="--", color="#b5542d", label="weighted F1")
    axes.set(title=f"{title}: validation", xlabel="alpha: 0 the image alone, 1 the text alone", ylabel="%")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    _save(path, figure)


def plot_confusions(path: Path, scores: dict[str, Scores]) -> None:
    """Confusion matrices side by side, shares of each true label in colour and pictures in figures, as a PNG."""
    labels = [row.label for row in next(iter(scores.values())).labels]
    side = max(3.4, 0.62 * len(labels) + 1.4)
    figure = Figure(figsize=(side * len(scores), side), layout="constrained")
    for index, (axes, (name, one)) in enumerate(zip(figure.subplots(1, len(scores)), scores.items(), strict=True)):
        shares = [[count / max(1, sum(row)) for count in row] for row in one.confusion]
        axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
        for y, row in enumerate(one.confusion):
            for x, count in enumerate(row):
                colour = "white" if shares[y][x] > 0.6 else "#222222"
                axes.text(x, y, str(count), ha="center", va="center", color=colour, fontsize=9)
        axes.set(title=f"{name}: {one.accuracy:.1%}", xlabel="said", ylabel="true" if index == 0 else "")
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), labels if index == 0 else [""] * len(labels))
    _save(path, figure)


def _save(path: Path, figure: Figure) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
