"""The tables of docs/commission.md: what a station gains by being shown a few items a label, on foreign sources.

    python -m tools.commission_table DOMAINS.csv                      prints them
    python -m tools.commission_table DOMAINS.csv --write              and puts them into the page

Each source of the file that lies in a folder `measuring/` is one site. Of each label so many items are drawn to be
shown, one picture each, never more than half of a label's; all pictures that share no group with them are named by the
shipped head and by the one that a station fits (`waste_edge.heads`, as `waste-edge commission` does), each by the mean
of a plain and a mirrored look. The INT8 bundle is asked once, and its answers kept in --cache: some minutes.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.page_block import replace_block
from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.dataset import MEASURING, open_domains
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.interface import Output
from waste_edge.evaluation.unknowns import area_between
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import read_text
from waste_edge.heads import Shots, Strangers, Wanted, assess, fit_confidence, fit_head
from waste_edge.heads.assessment import WORSE
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import prepare
from waste_edge.metrics.classification import softmax
from waste_edge.rejection import Scorer

PAGE = Path("docs/commission.md")
_BLOCK = re.compile(r"(<!-- figures: tools.commission_table -->\n).*?(<!-- end of figures -->)", re.DOTALL)
_SHOWN_STRANGERS = 12
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Pictures of the measuring sources, as a bundle's network answered them.

    Attributes:
        logits, features: (N, K, C) and (N, K, F), of K looks.
        label, source, group: (N,) words.
    """

    logits: Values
    features: Values
    label: NDArray[np.str_]
    source: NDArray[np.str_]
    group: NDArray[np.str_]

    def of(self, rows: NDArray[np.generic]) -> Rows:
        """Select pictures by index or mask."""
        return Rows(*(getattr(self, one.name)[rows] for one in fields(self)))

    def looks(self) -> tuple[Values, Values]:
        """Logits (N * K, C) and features (N * K, F) of all looks."""
        count = self.logits.shape[0] * self.logits.shape[1]
        return self.logits.reshape(count, -1), self.features.reshape(count, -1)

    def mean(self, values: Values) -> Values:
        """The mean of the looks at each picture, (N, ...) of (N * K, ...)."""
        return np.asarray(values.reshape(len(self.logits), self.logits.shape[1], *values.shape[1:]).mean(axis=1))


@dataclass(frozen=True, eq=False)
class Model:
    """A bundle's labels, temperature and known score, and its answers."""

    labels: list[str]
    temperature: float
    scorer: Scorer
    min_confidence: float
    rows: Rows


class Result(NamedTuple):
    """One site, drawn once.

    Attributes:
        items: shown, of all labels.
        shipped, new: share of the other pictures named rightly.
        shipped_labels, new_labels: the same, mean of labels.
        estimate: of the last, by items left out.
        held: its interval held the truth.
        better: the head was called better.
        worse, told: labels that lost more than `WORSE`, and of these the ones that were told of.
        area_shipped, area: AUROC of the unknown; NaN where the site has none.
    """

    items: float
    shipped: float
    new: float
    shipped_labels: float
    new_labels: float
    estimate: float
    held: float
    better: float
    worse: float
    told: float
    area_shipped: float
    area: float


def read_model(name: str, domains: Path, cache: Path) -> Model:
    """A bundle's answers to the measuring pictures, from the cache if they are there."""
    with open_bundle(find_bundle(name)) as bundle:
        manifest = bundle.manifest
        path = cache / f"{bundle.digest[:16]}.npz"
        if not path.exists():
            _ask(bundle, domains, path)
        scorer, calibration = bundle.known_scorer(), manifest.calibration
    with np.load(path, allow_pickle=False) as kept:
        rows = Rows(*(kept[one.name] for one in fields(Rows)))
    return Model(list(manifest.labels), calibration.temperature, scorer, calibration.min_confidence, rows)


def _ask(bundle: Bundle, domains: Path, path: Path) -> None:
    rows = [row for row in open_domains(domains).rows if MEASURING in Path(row.photo.key).parts]
    classifier = load_classifier(bundle)

    def asked(pixels: Pixels) -> Output:
        return classifier.engine.infer(prepare(pixels, bundle.manifest.input))

    answers = []
    for row in rows:
        pixels = row.photo.pixels()
        answers.append((asked(pixels), asked(np.asarray(cv2.flip(pixels, 1), np.uint8))))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        logits=np.array([[look.logits for look in looks] for looks in answers], np.float64),
        features=np.array([[look.features for look in looks] for looks in answers], np.float64),
        label=np.array([row.photo.label for row in rows]),
        source=np.array([row.source for row in rows]),
        group=np.array([row.photo.group for row in rows]),
    )


def drawn(model: Model, source: str, items: int, seed: int) -> Result:
    """Show so many items of each label of a source, and judge what is left."""
    generator, rows, labels = np.random.default_rng([seed, items]), model.rows, model.labels
    known = np.flatnonzero((rows.source == source) & np.isin(rows.label, labels))
    shown = np.concatenate([_items_of(rows, known, label, items, generator) for label in labels])
    few = rows.of(shown)
    looks = few.logits.shape[1]
    truth = np.repeat([labels.index(label) for label in few.label], looks)
    shots = Shots(*few.looks(), truth, np.repeat(np.arange(len(shown)), looks))
    fit = fit_head(shots, len(labels), model.temperature)
    found = assess(shots, fit, labels)
    strange = np.flatnonzero((rows.source == source) & ~np.isin(rows.label, labels))
    generator.shuffle(strange)
    strangers, left = rows.of(strange[:_SHOWN_STRANGERS]), rows.of(strange[_SHOWN_STRANGERS:])
    given = Strangers(*strangers.looks()) if len(left.label) else None
    confidence = fit_confidence(shots, fit, given, model.scorer, Wanted(model.min_confidence))
    rest = rows.of(known[~np.isin(rows.group[known], rows.group[shown])])
    answer = np.array([labels.index(label) for label in rest.label])
    old = _named(rest, lambda logits, _: softmax(logits, model.temperature)) == answer
    new = _named(rest, lambda *of: softmax(fit.head(*of), confidence.temperature)) == answer
    present = np.unique(answer)
    by_label = {index: (float(old[answer == index].mean()), float(new[answer == index].mean())) for index in present}
    lost = [index for index, (before, now) in by_label.items() if now < before - WORSE]
    balanced = float(np.mean([now for _, now in by_label.values()]))
    areas = (np.nan, np.nan)
    if len(left.label):
        shipped_scores = [one.mean(model.scorer(*one.looks())) for one in (rest, left)]
        scorer = confidence.scorer
        scores = [one.mean(scorer(fit.head(*one.looks()), one.looks()[1])) for one in (rest, left)]
        areas = (area_between(*shipped_scores), area_between(*scores))
    return Result(
        items=len(shown),
        shipped=float(old.mean()),
        new=float(new.mean()),
        shipped_labels=float(np.mean([before for before, _ in by_label.values()])),
        new_labels=balanced,
        estimate=found.accuracy.value,
        held=found.accuracy.low <= balanced <= found.accuracy.high,
        better=found.better,
        worse=len(lost),
        told=sum(found.labels[index].worse or found.labels[index].may_be_worse for index in lost),
        area_shipped=areas[0],
        area=areas[1],
    )


def _named(rows: Rows, probabilities: Callable[[Values, Values], Values]) -> NDArray[np.int64]:
    """The likeliest label of each picture, by the mean of its looks."""
    return np.asarray(rows.mean(probabilities(*rows.looks())).argmax(axis=1))


def _items_of(
    rows: Rows, known: NDArray[np.int64], label: str, items: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """One picture of each of so many groups of a label, at most half of its groups."""
    own = known[rows.label[known] == label]
    groups = np.unique(rows.group[own])
    generator.shuffle(groups)
    picked = [generator.choice(own[rows.group[own] == group]) for group in groups[: min(items, len(groups) // 2)]]
    return np.array(picked, np.int64)


def sites_of(model: Model) -> list[str]:
    """The sources that have items of the model's labels."""
    known = np.isin(model.rows.label, model.labels)
    return sorted({str(source) for source in model.rows.source[known]})


def measure(model: Model, counts: Sequence[int], seeds: int) -> Iterator[tuple[int, str, Values]]:
    """Items a label, source, and the mean of its results over seeds, in the order of `Result`."""
    for items in counts:
        for source in sites_of(model):
            results = [drawn(model, source, items, seed) for seed in range(seeds)]
            yield items, source, np.array(results, np.float64).mean(axis=0)


def tables(models: dict[str, Model], counts: Sequence[int], seeds: int) -> str:
    """All figures, in Markdown."""
    parts = []
    for name, model in models.items():
        heads = ["items a label", "site", "shipped", "new head", "gain", "mean of labels: shipped", "new", "estimated"]
        heads += ["called better", "labels that lost > 5 points", "told", "AUROC unknown: shipped", "new"]
        lines = [f"| {' | '.join(heads)} |", "|---:|---|" + "---:|" * (len(heads) - 2)]
        found = list(measure(model, counts, seeds))
        for items in counts:
            rows = [(source, values) for count, source, values in found if count == items]
            mean = np.array([[np.nanmean(column) for column in np.array([v for _, v in rows]).T]])[0]
            lines += [_line(items, source, Result(*values)) for source, values in rows]
            lines.append(_line(items, "**mean of sites**", Result(*mean)))
        parts.append(f"`{name}`:\n\n" + "\n".join(lines))
    seen = f"{seeds} drawings a site; items are pictures of different groups, at most half of a label's."
    return "\n\n".join(parts) + f"\n\n*{seen} INT8, the preferred engine.*\n"


def _line(items: int, source: str, one: Result) -> str:
    def area(value: float) -> str:
        return "" if np.isnan(value) else f"{value:.3f}"

    cells = [
        str(items), source, f"{one.shipped:.1%}", f"{one.new:.1%}", f"{(one.new - one.shipped) * 100:+.1f}",
        f"{one.shipped_labels:.1%}", f"{one.new_labels:.1%}", f"{one.estimate:.1%}", f"{one.better:.0%}",
        f"{one.worse:.1f}", f"{one.told:.1f}", area(one.area_shipped), area(one.area),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description="What a station gains by being shown a few items a label.")
    parser.add_argument("domains", type=Path, help="a domains file (docs/domains.md)")
    parser.add_argument("--bundles", nargs="+", default=["small", "accurate"], help="bundles")
    parser.add_argument("--items", nargs="+", type=int, default=[5, 10, 20], help="items a label")
    parser.add_argument("--seeds", type=int, default=5, help="drawings a site")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "waste-edge" / "commission-table"
    parser.add_argument("--cache", type=Path, default=cache, help="folder for the networks' answers")
    parser.add_argument("--write", action="store_true", help=f"put them into {PAGE}")
    given = parser.parse_args()
    models = {name: read_model(name, given.domains, given.cache) for name in given.bundles}
    text = tables(models, given.items, given.seeds)
    if given.write:
        write_atomically(PAGE, replace_block(read_text(PAGE), _BLOCK, text, f"{PAGE}: expected the figures' comments"))
    else:
        print(text)


if __name__ == "__main__":
    main()
