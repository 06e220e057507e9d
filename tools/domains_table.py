"""The table of docs/results.md by source: `python -m tools.domains_table`, or `make domains-table`.

It is made from `training/results/domains.json`, which `make domains-results` writes (`waste-edge compare --domains
--json` of the two shipped bundles), and stands between two comments. `training/results/domains.md` holds every number
of the same file with its interval. With --check nothing is written: a table that has drifted, and a shipped bundle's
card that says other numbers than the file, end it with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.page_block import is_check, replace_block
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.domains.report import HOME, DomainsReport, Known, ModelDomains, Strange
from waste_edge.evaluation.domains.tables import domains_markdown, sources_table, unknown_table
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.tables import Table, number, share, share_in
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import BUNDLES, shipped
from waste_edge.files.strict import read_json, read_text

RESULT, TABLES, PAGE = "training/results/domains.json", "training/results/domains.md", "docs/results.md"
NAMES = ("small", "accurate")
ARTIFACT = "tflite-int8"
CARD_HEADING = "## Other sources"  # of a card that was written with a domains file
_BLOCK = re.compile(r"(<!-- domains: made by make domains-table -->\n).*?(<!-- end of domains -->)", re.DOTALL)


def domains_table(report: DomainsReport) -> str:
    """The table in Markdown, and how it was measured.

    Raises:
        ConfigError: the report lacks a bundle.
    """
    models = [_named(report, f"{name}:{ARTIFACT}") for name in NAMES]
    rows: list[tuple[str, ...]] = []
    for source in [HOME, *(one.source for one in models[0].sources)]:
        found = [_source(model, source) for model in models]
        if any(found):
            rows.append((_label(source, found), *(_accuracy(one) for one in found)))
    rows += [
        ("**mean over sources**", *(share_in(model.mean) if model.mean else "" for model in models)),
        ("worst source", *(_worst(model) for model in models)),
        ("ECE at home, mean of other sources", *(_ece(model) for model in models)),
        ("rejected, and error rate of the rest, mean of other sources", *(_kept_out(model) for model in models)),
    ]
    for kind in [one.kind for one in models[0].unknown]:
        rows.append((_kind(models, kind), *(_areas(model, kind) for model in models)))
    rows.append(("unknown: mean of kinds not trained on", *(_mean_areas(model) for model in models)))
    table = rows_of(Table("", ("", *NAMES), rows))
    return f"""{table}

*Accuracy by source with intervals of 95 %, groups drawn anew; home is {report.protocol}. Sources in italics were
trained on too: of these only groups held out of training are scored, and they are in no mean. Unknown: AUROC, the
probability that a known picture has the higher known score than an unknown one, against home / web / all other sources;
! is dangerous in any stream. INT8 TFLite. All numbers: [{TABLES}](../{TABLES}).*
"""


def refreshed(text: str, report: DomainsReport) -> str:
    """A page's text with its table made anew; raises ConfigError where there is no place for it."""
    return replace_block(text, _BLOCK, domains_table(report), f"{PAGE}: expected the comments of the domains table")


def drifted_cards(report: DomainsReport, cards: dict[str, str]) -> list[str]:
    """Find statements of shipped cards that differ from the report; a card without a part on other sources is skipped.

    Args:
        cards: by bundle, the card's text.
    """
    found = []
    for name, text in cards.items():
        if CARD_HEADING not in text:
            continue
        model = _named(report, f"{name}:{ARTIFACT}")
        for table in (sources_table(model), unknown_table(model)):
            lines = rows_of(table).splitlines()[2:]
            found += [f"{name}'s card lacks the line {line}" for line in lines if line not in text]
    return found


def _named(report: DomainsReport, name: str) -> ModelDomains:
    for model in report.models:
        if model.name == name:
            return model
    raise ConfigError(
        f"{RESULT}: has no {name} (only {', '.join(m.name for m in report.models)}); make domains-results"
    )


def _source(model: ModelDomains, source: str) -> Known | None:
    known = [*([model.home] if model.home else []), *model.sources]
    return next((one for one in known if one.source == source), None)


def _strange(model: ModelDomains, kind: str) -> Strange | None:
    return next((one for one in model.unknown if one.kind == kind), None)


def _label(source: str, found: Sequence[Known | None]) -> str:
    pictures = next(one.pictures for one in found if one)
    taught = any(one.taught for one in found if one)
    return f"{f'*{source}*' if taught else source} ({pictures})"


def _accuracy(one: Known | None) -> str:
    return share_in(one.accuracy) if one else ""


def _worst(model: ModelDomains) -> str:
    one = _source(model, model.worst)
    return f"{one.source} {one.accuracy.value:.1%}" if one else ""


def _ece(model: ModelDomains) -> str:
    return f"{share(model.home.ece if model.home else None)}, {share(model.mean_ece)}"


def _kept_out(model: ModelDomains) -> str:
    judged = [one for one in model.sources if not one.taught]
    kept = [one.kept_out for one in judged if one.kept_out is not None]
    wrong = [one.wrong for one in judged if one.wrong is not None]
    return ", ".join(share(sum(values) / len(values) if values else None) for values in (kept, wrong))


def _kind(models: Sequence[ModelDomains], kind: str) -> str:
    found = [one for model in models if (one := _strange(model, kind))]
    name = f"*{kind}*" if any(one.taught for one in found) else kind
    return f"unknown: {name}{' !' if found[0].dangerous else ''} ({found[0].pictures})"


def _areas(model: ModelDomains, kind: str) -> str:
    one = _strange(model, kind)
    if one is None:
        return ""
    return " / ".join(number(area.value if area else None) for area in (one.home, one.web, one.elsewhere))


def _mean_areas(model: ModelDomains) -> str:
    return " / ".join(number(model.mean_unknown.get(name)) for name in ("home", "web", "elsewhere"))


def main(arguments: Sequence[str]) -> int:
    """Refresh the checkout's page, or with --check only say what has drifted; returns the exit code."""
    checking = is_check(arguments, __doc__)
    root = shipped("training").parent
    try:
        report = read_json(root / RESULT, DomainsReport)
        made = {
            root / PAGE: refreshed(read_text(root / PAGE), report),
            root / TABLES: domains_markdown(report),
        }
        if checking:
            return _check(made, report)
        for path, text in made.items():
            if not path.is_file() or read_text(path) != text:
                write_atomically(path, text)
                print(f"{path.relative_to(root)}: written")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check(made: dict[Path, str], report: DomainsReport) -> int:
    said = [f"{path.name}: has drifted; make domains-table" for path, text in made.items() if read_text(path) != text]
    cards = {name: read_text(BUNDLES / name / "MODEL_CARD.md") for name in NAMES}
    said += [f"{line}; make domains-results" for line in drifted_cards(report, cards)]
    for line in said:
        print(line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
