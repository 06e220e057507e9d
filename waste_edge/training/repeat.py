"""The same training several times, by seeds or by folds: how much of an accuracy is chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from waste_edge.dataset import Part
from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, to_json
from waste_edge.metrics.classification import Scores
from waste_edge.metrics.significance import Spread, spread
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import RUN_NAME, RunInfo, open_run

SUMMARY_NAME = "summary.json"
TrainOne = Callable[[str, Recipe, Path, bool], RunInfo]  # name, recipe, folder and whether to resume

_PROTOCOLS = {
    "seeds": "one split, several seeds: the interval is the training's own chance, not that of the pictures",
    "folds": "each fold held out once; the folds share most of their training pictures, so that Student's interval "
    "is somewhat too narrow (Bengio and Grandvalet 2004)",
}


class RunSummary(Strict, frozen=True):
    """One of the runs: its folder, and its headline numbers by part."""

    run: str
    scores: dict[Part, Scores]


class Summary(Strict, frozen=True):
    """`summary.json`: several runs of one recipe together.

    Attributes:
        by: what differs between them.
        protocol: in words what the intervals speak of.
        accuracy, macro_f1: for each part that was scored, over the runs.
    """

    schema: Literal[1]
    recipe: str
    by: Literal["seeds", "folds"]
    protocol: str
    runs: list[RunSummary]
    accuracy: dict[Part, Spread]
    macro_f1: dict[Part, Spread]


def by_seeds(recipe: Recipe, seeds: Sequence[int]) -> dict[str, Recipe]:
    """The recipe with each seed of the training, by the name of its run's folder; the split stays.

    Raises:
        ConfigError: fewer than two seeds, or one twice.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"--seeds {','.join(map(str, seeds))}: expected two or more different ones, e.g. 0,1,2")
    fit = recipe.trained
    changed = ((seed, msgspec.structs.replace(fit, seed=seed)) for seed in seeds)
    return {f"seed-{seed}": msgspec.structs.replace(recipe, fit=other) for seed, other in changed}


def by_folds(recipe: Recipe, folds: int) -> dict[str, Recipe]:
    """The recipe with each fold held out as its validation part, by the name of its run's folder.

    Raises:
        ConfigError: fewer than two folds.
    """
    if folds < 2:
        raise ConfigError(f"--folds {folds}: expected 2 or more")
    splits = (msgspec.structs.replace(recipe.split, folds=folds, fold=fold) for fold in range(folds))
    return {f"fold-{split.fold}": msgspec.structs.replace(recipe, split=split) for split in splits}


def train_each(
    recipes: dict[str, Recipe], out: Path, train_one: TrainOne, resume: bool, is_main_process: bool = True
) -> Summary:
    """Train each recipe into a folder of its own and write `summary.json`.

    Args:
        recipes: by the folder's name, see `by_seeds` and `by_folds`.
        out: the folder that holds them all.
        train_one: trains one of them; with True it goes on with an unfinished one.
        resume: runs in `out` that are finished are kept, an unfinished one goes on.
        leads: whether this process writes.

    Raises:
        RunError: `out` holds something already, or a run of another recipe.
    """
    _check(recipes, out, resume)
    infos = {}
    for name, recipe in recipes.items():
        folder = out / name
        if (folder / RUN_NAME).is_file():
            infos[name] = open_run(folder).info
        else:
            infos[name] = train_one(name, recipe, folder, folder.exists())
    summary = summarize(infos)
    if is_main_process:
        write_atomically(out / SUMMARY_NAME, to_json(summary))
    return summary


def summarize(infos: dict[str, RunInfo]) -> Summary:
    """Summarize several finished runs, by their folders' names."""
    by: Literal["seeds", "folds"] = "folds" if next(iter(infos)).startswith("fold-") else "seeds"
    runs = [RunSummary(run=name, scores=_scores(info)) for name, info in infos.items()]
    parts = [part for part in runs[0].scores if all(part in run.scores for run in runs)]
    return Summary(
        schema=1,
        recipe=next(iter(infos.values())).recipe.name,
        by=by,
        protocol=_PROTOCOLS[by],
        runs=runs,
        accuracy={part: spread([run.scores[part].accuracy for run in runs]) for part in parts},
        macro_f1={part: spread([run.scores[part].macro_f1 for run in runs]) for part in parts},
    )


def own_or_shared(teacher: Path, name: str) -> Path:
    """A teacher's run of the same fold or seed where it was trained several times itself, else its one run."""
    return teacher / name if (teacher / name / RUN_NAME).is_file() else teacher


def _scores(info: RunInfo) -> dict[Part, Scores]:
    scored: list[tuple[Part, Scores | None]] = [("val", info.scores), ("test", info.test_scores)]
    return {part: scores for part, scores in scored if scores}


def _check(recipes: dict[str, Recipe], out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file; choose another --out")
    if not resume and out.exists() and any(out.iterdir()):
        raise RunError(f"{out}: is not empty; --resume goes on with the trainings in it, or choose another --out")
    if resume and not out.exists():
        raise RunError(f"{out}: nothing to resume; train without --resume")
    for name, recipe in recipes.items():
        if (out / name / RUN_NAME).is_file() and open_run(out / name).info.recipe != recipe:
            raise RunError(f"{out / name}: was trained by another recipe; choose another --out")
