"""One training: from photographs and a recipe to a finished run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split_to_train
from waste_edge.dataset.looking import cores
from waste_edge.files.atomic import sha256_of
from waste_edge.files.strict import to_json
from waste_edge.training.data.leakage import find_leaks
from waste_edge.training.distillation.losses import Objective, tree_matrix
from waste_edge.training.distillation.teachers import Teachers, check_teachers
from waste_edge.training.distributed import ProcessGroup, process_group
from waste_edge.training.evaluation.evaluate import scored_at_once, validate
from waste_edge.training.input_pipeline.augmentation import augmentation, no_augmentation
from waste_edge.training.input_pipeline.inputs import InputReader, RememberingReader
from waste_edge.training.input_pipeline.views import (
    Backgrounds,
    TrainingViews,
    ViewOptions,
    render_outliers,
    render_views,
)
from waste_edge.training.loop.checkpoint import CHECKPOINT_NAME
from waste_edge.training.loop.checks import check_out, check_parts, failures_in_words
from waste_edge.training.loop.fine_tuning import fit_head
from waste_edge.training.loop.initialization import Start, check_start, starting_network
from waste_edge.training.loop.schedule import freeze_stages
from waste_edge.training.loop.training_loop import (
    CURVES_NAME,
    METRICS_NAME,
    Job,
    Trained,
    TrainingListener,
    TrainingLoop,
)
from waste_edge.training.networks import feature_count
from waste_edge.training.networks.layers import channels_last
from waste_edge.training.quantization_aware.fake_quantization import float_network
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import (
    WEIGHTS_NAME,
    Run,
    RunInfo,
    TrainedOn,
    open_run,
    reader_of,
    rebuilt,
    run_info,
    save_info,
    save_split,
)
from waste_edge.training.seeding import seed_epoch
from waste_edge.training.train_options import OtherSources, TrainOptions, read_other_sources
from waste_edge.training.view_cache.batches import ViewCacheBatches, batches_of, gather_views


def fit(
    recipe: Recipe,
    data: Path,
    out: Path,
    watcher: TrainingListener,
    weights: Path | None = None,
    teachers: Sequence[Run] = (),
    start: Run | None = None,
    resume: bool = False,
    extra: TrainOptions | None = None,
) -> RunInfo:
    """Train a network by a recipe and leave a run in `out`.

    Args:
        recipe: see `Recipe`; its `distill` part is used when there are teachers.
        data: folder or CSV of labelled photographs.
        out: the run's folder; it must not hold a run already.
        watcher: told of every step and epoch.
        weights: safetensors file to start from.
        teachers: finished runs with the same labels; several answer together.
        start: a finished run of the same network to go on from, instead of `weights`; a recipe with a
            `quantize_aware` part needs one.
        resume: go on with the unfinished training in `out`, to the very weights it would have had.
        extra: pictures of other sources, a device, a place for views.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: the loss stopped being a number, or there was not enough memory.
    """
    with process_group() as together, failures_in_words(recipe):
        check_out(out, resume)
        together.wait()  # before one of them begins to write
        extra = extra or TrainOptions()
        dataset = _grouped(open_dataset(data, label_map=recipe.labels), extra, together)
        check_teachers(recipe, teachers, dataset)
        check_start(recipe, start, weights, dataset)
        parts = split_to_train(data, dataset, recipe.split)
        check_parts(recipe, data, dataset, parts)
        teaching = read_other_sources(extra, recipe, dataset, parts["train"])
        seed_epoch(recipe.trained.seed, 0)
        begun = starting_network(recipe, dataset.labels, weights, start)
        material = Material(dataset, parts, teaching, extra, out)
        job = gather_job(recipe, begun, teachers, material, together)
        if recipe.trained.linear_probe_views and not (out / CHECKPOINT_NAME).is_file():
            _probe(job)
        leaks = _warned_of_leaks(recipe, dataset, watcher) if together.is_main_process else []
        if together.is_main_process:
            _begin(out, begun, parts)
        trained = TrainingLoop(job, out, watcher, together).run(resume)
        if together.is_main_process:
            _finish(job, begun, material, data, trained, leaks)
        together.wait()
        return open_run(out).info


def _grouped(dataset: Dataset, extra: TrainOptions, together: ProcessGroup) -> Dataset:
    """Put near-duplicates into groups. The main process looks at the pictures; the others find what it kept of them."""
    if not together.is_main_process:
        together.wait()
        return group_near_duplicates(dataset)
    with extra.bar("looking for near-duplicates") as progress:
        grouped = group_near_duplicates(dataset, progress, cores())
    together.wait()
    return grouped


def _warned_of_leaks(recipe: Recipe, dataset: Dataset, watcher: TrainingListener) -> list[str]:
    """Warn of texts that give labels away, before any accuracy; for pictures alone `evaluate` and `compare` check."""
    if not recipe.text:
        return []
    leaks = [leak.sentence for leak in find_leaks(dataset) if leak.source == recipe.text.source]
    for sentence in leaks:
        watcher.warn(sentence)
    return leaks


def _begin(out: Path, begun: Start, parts: dict[Part, list[Photo]]) -> None:
    """Make the run's folder; what an earlier process left half written in it goes."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (CHECKPOINT_NAME, WEIGHTS_NAME, CURVES_NAME, METRICS_NAME):
        for left in out.glob(f".{name}.*"):
            left.unlink()
    save_split(out, parts)
    begun.save_beside(out)


@dataclass(frozen=True, eq=False)
class Material:
    """Data that a training learns from.

    Attributes:
        dataset: the data, divided into `parts`.
        teaching: pictures of other sources.
        extra: what else the command line said.
        out: the run's folder.
    """

    dataset: Dataset
    parts: dict[Part, list[Photo]]
    teaching: OtherSources
    extra: TrainOptions
    out: Path


def gather_job(
    recipe: Recipe, begun: Start, teachers: Sequence[Run], material: Material, together: ProcessGroup
) -> Job:
    """Put together what the training loop takes: views, networks and loss, these where they will be computed."""
    device = material.extra.torch_device()
    torch.backends.cudnn.deterministic = True  # a resumed training is the uninterrupted one on a GPU too
    reader = reader_of(recipe, begun.tokenize)
    wise = Teachers(teachers, device) if teachers else None
    read_in_training = wise.reading_for(reader) if wise else reader
    views: TrainingViews | ViewCacheBatches
    if recipe.stock:
        reader = RememberingReader(reader.sees, reader.tokenize, reader.text_of)
        folder = material.extra.stock or material.out / "stock"
        training, teaching = material.parts["train"], material.teaching
        stock = gather_views(recipe.stock, material.dataset, training, teaching, folder, together)
        views = batches_of(recipe, stock, device, together)
    else:
        views = _views(recipe, material, read_in_training)
    network = channels_last(begun.network.to(device))
    freeze_stages(network, recipe.trained.frozen_stages)
    return Job(
        recipe=recipe,
        network=network,
        objective=_objective(recipe, views, material.dataset, network, wise).to(device),
        teachers=wise,
        views=views,
        reader=reader,
        dataset=material.dataset,
        validation=material.parts["val"],
        device=device,
        fingerprint=_fingerprint(recipe, material, begun, wise, together),
    )


def _views(recipe: Recipe, material: Material, reader: InputReader) -> TrainingViews:
    """Photographs, rendered views and things without a label, changed one by one as they are asked for."""
    dataset, teaching, size_px = material.dataset, material.teaching, _view_size(recipe)
    added = render_views(recipe.rendered, dataset.labels, size_px) + render_outliers(recipe.strangers, size_px)
    added += [(photo.pixels(), -1) for photo in teaching.strange]
    grounds = Backgrounds(recipe.backgrounds, size_px) if recipe.backgrounds.share else None
    photos = [*material.parts["train"], *teaching.known]
    seed, sets = recipe.trained.seed, recipe.augment.view_sets
    options = ViewOptions(seed, grounds, sets)
    return TrainingViews(dataset, photos, added, _augmentation(recipe), reader, options)


def _probe(job: Job) -> None:
    """Fit the head alone, before the loop takes the network as what training starts with."""
    assert isinstance(job.views, ViewCacheBatches)
    fit_head(job.network, job.views, job.fit.linear_probe_views, len(job.dataset.labels), job.device)


def _objective(
    recipe: Recipe,
    views: TrainingViews | ViewCacheBatches,
    dataset: Dataset,
    network: nn.Module,
    teachers: Teachers | None,
) -> Objective:
    spec = recipe.trained
    distill = recipe.distill if teachers else None
    features = None
    if distill and distill.method == "features" and teachers:
        features = (feature_count(float_network(network)), feature_count(teachers.runs[0].network))
    weights = None
    if spec.class_weights and isinstance(views, TrainingViews):
        weights = _balanced(views.labels(), len(dataset.labels))
    return Objective(
        smoothing=spec.label_smoothing,
        class_weights=weights,
        distill=distill,
        features=features,
        tree=tree_matrix(recipe.tree, dataset.labels) if recipe.tree else None,
        tree_weight=recipe.tree.weight if recipe.tree else 0.0,
    )


def _balanced(labels: Sequence[int], classes: int) -> Tensor:
    """Weights (C,) that make every label count alike: pictures / (labels * pictures of the label)."""
    counts = torch.bincount(torch.tensor([label for label in labels if label >= 0]), minlength=classes)
    return int(counts.sum()) / (classes * counts.clamp(min=1).to(torch.float32))


def _augmentation(recipe: Recipe) -> Callable[[Tensor], Tensor] | None:
    if recipe.input is None:
        return None
    return augmentation(recipe.augment, recipe.input) if recipe.augment.enabled else no_augmentation(recipe.input)


def _finish(job: Job, begun: Start, material: Material, data: Path, trained: Trained, leaks: list[str]) -> None:
    """Write `run.json`, the run's last file, and remove what only an unfinished one needs."""
    parts, out = material.parts, material.out
    info = run_info(
        TrainedOn(job.recipe, data, job.dataset, parts),
        (begun.words, begun.sha256),
        sha256_of(out / WEIGHTS_NAME),
        trained.seconds,
        rendered_pictures=_drawn(job.recipe, len(job.dataset.labels)),
        teacher=job.teachers.words() if job.teachers else "",
        scores=trained.scores,
        ranges=trained.ranges,
        leaks=leaks,
        domains=dict(material.teaching.sources),
        left_out=list(material.extra.leave_out),
    )
    if parts["test"]:  # the one look at it, with the weights that were kept
        kept = rebuilt(out, info)
        network, batch = kept.as_trained(), scored_at_once(job.recipe)
        test_scores, _ = validate(network, job.reader, job.dataset, parts["test"], batch=batch)
        info = msgspec.structs.replace(info, test_scores=test_scores)
    save_info(out, info)
    (out / CHECKPOINT_NAME).unlink(missing_ok=True)


def _drawn(recipe: Recipe, labels: int) -> int:
    """Count the rendered views that a recipe adds."""
    if recipe.stock:
        return recipe.stock.drawn
    return recipe.rendered.views_per_label * labels + recipe.strangers.views


def _fingerprint(
    recipe: Recipe, material: Material, begun: Start, teachers: Teachers | None, together: ProcessGroup
) -> str:
    """Tells this training from every other: a checkpoint is resumed by the one that wrote it alone.

    How many workers read its pictures makes no difference to a training.
    """
    same = msgspec.structs.replace(recipe, fit=msgspec.structs.replace(recipe.trained, workers=0))
    taught = teachers.words() if teachers else ""
    words = [to_json(same), material.dataset.fingerprint(), begun.words, begun.sha256, taught, str(together.size)]
    if material.teaching.fingerprint:
        words.append(material.teaching.fingerprint)
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _view_size(recipe: Recipe) -> int:
    """Rendered views are drawn larger than the input, as photographs are, so that crops of them are sharp."""
    return max(recipe.input.width_px, recipe.input.height_px) * 8 // 5 if recipe.input else 0
