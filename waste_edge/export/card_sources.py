"""The model card's parts on sources other than its data: what taught, what holds there, what confidence is worth."""

from __future__ import annotations

from waste_edge.bundle.manifest import Calibration, Provenance
from waste_edge.errors import ConfigError
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.domains.tables import reading, sources_table, unknown_table
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.tables import Table, share
from waste_edge.training.data.cards import read_card


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
    return f"## Other sources\n\nINT8 TFLite, on `{report.domains}`. {reading(report)}\n\n{shown}"


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
