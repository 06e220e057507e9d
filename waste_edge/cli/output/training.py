"""Progress of a training for people: a bar on a terminal, and one line an epoch in any case."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from waste_edge.cli.common import console
from waste_edge.metrics.classification import Scores


class TrainingProgress:
    """A training watcher that draws on stderr."""

    def __init__(self, name: str, epochs: int, quiet: bool = False) -> None:
        self._name, self._epochs = name, epochs
        screen = console(stderr=True)
        screen.quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description} epoch {task.fields[epoch]}/" + str(epochs), markup=False),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
            disable=quiet or not screen.is_terminal,
        )
        self._task = self._bar.add_task(name, total=None, epoch=1, loss=float("nan"))

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def warn(self, sentence: str) -> None:
        """Print a warning before the first accuracy."""
        self._bar.console.print(f"warning: {sentence}", style="yellow", markup=False)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Note a finished batch."""
        done = (epoch - 1) * steps + step
        self._bar.update(self._task, total=self._epochs * steps, completed=done, epoch=epoch, loss=loss)

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        """One epoch is done: a line that stays."""
        accuracy = f", validation accuracy {scores.accuracy:.1%}" if scores else ""
        self._bar.console.print(f"{self._name}: epoch {epoch}/{self._epochs}: loss {loss:.3f}{accuracy}", markup=False)
