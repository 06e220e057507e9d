"""Leakage of labels through file names or texts: a model that reads them scores high and has learnt little.

The label is predicted from the name or the text alone, out of fold: logistic regression on character n-grams, in five
stratified folds that keep groups together. It is a leak where the 95 % interval of the balanced accuracy begins more
than a tenth of the way above chance, from chance to certainty. Of more than 25,000 photos so many are judged, an equal
share of each label.

Names are taken without their folders, and the last number in a name also counts as a number: files numbered through
the classes in order (0001.jpg to 0400.jpg are glass) leak, since the number is the label, and are reported. Files
numbered from 1 in each class are not: their numbers tell at most which class has more pictures. On TrashNet's names
the balanced accuracy is 1.0; on its numbers alone 0.1, on random numbers 0.15, where chance is 0.17; on the same
pictures numbered through, 0.98.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from waste_edge.dataset import Dataset, Photo, TextSource
from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import wilson_interval

FOLDS = 5
MOST_JUDGED = 25_000  # names or texts; more take hours and gigabytes, and narrow the interval little
MARGIN = 0.1  # of the way from chance to certainty
_NGRAMS = (1, 5)
_LONGEST = 200  # characters of a text that are looked at
_NUMBER_RANGES = 32
_EXAMPLES = 2  # a label
_Words = tuple[str, ...]


class LeakageFinding(Strict, frozen=True):
    """A source that gives the label away.

    Attributes:
        source: `file_name`, without folders, or `column`, the data's text.
        balanced_accuracy: mean recall over the labels, out of fold.
        balanced_accuracy_low: lower end of its 95 % interval.
        chance: what guessing gives.
        pictures: how many names or texts were looked at.
        examples: for each label, what most betrays it.
        sentence: all of it in words.
    """

    source: TextSource
    balanced_accuracy: float
    balanced_accuracy_low: float
    chance: float
    pictures: int
    examples: dict[str, list[str]]
    sentence: str


def find_leaks(dataset: Dataset) -> list[LeakageFinding]:
    """Every source that gives the label away; labels with fewer than five groups are not judged.

    Args:
        dataset: grouped already, so that names of pictures of one object do not vouch for each other.
    """
    sources: list[tuple[TextSource, Callable[[Sequence[Photo]], list[_Words]]]] = []
    if dataset.has_pictures:
        sources.append(("file_name", _words_of_names))
    if dataset.has_text:
        sources.append(("column", _words_of_texts))
    findings = (_find(dataset, source, read) for source, read in sources)
    return [finding for finding in findings if finding]


def _find(
    dataset: Dataset, source: TextSource, read: Callable[[Sequence[Photo]], list[_Words]]
) -> LeakageFinding | None:
    photos, witnesses = _judged(_some(dataset.photos))
    if len(witnesses) < 2:
        return None
    words, truth = read(photos), np.array([photo.label for photo in photos])
    classifier = Pipeline(
        [
            ("words", TfidfVectorizer(analyzer=_given, sublinear_tf=True, max_features=20_000)),
            ("labels", LogisticRegression(class_weight="balanced", max_iter=2_000)),
        ]
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(classifier, words, truth, groups=[photo.group for photo in photos], cv=folds)
    recalls = {label: float((said[truth == label] == label).mean()) for label in witnesses}
    accuracy, low = _balanced(recalls, witnesses)
    chance = 1 / len(witnesses)
    if low <= chance + MARGIN * (1 - chance):
        return None
    examples = _telling(classifier.fit(words, truth), words, truth)
    return LeakageFinding(
        source=source,
        balanced_accuracy=accuracy,
        balanced_accuracy_low=low,
        chance=chance,
        pictures=len(photos),
        examples=examples,
        sentence=_sentence(source, accuracy, low, chance, examples),
    )


def _judged(given: Sequence[Photo]) -> tuple[list[Photo], dict[str, int]]:
    """The photos of labels with enough groups, and how many groups each of these labels has."""
    groups: dict[str, set[str]] = {}
    for photo in given:
        groups.setdefault(photo.label, set()).add(photo.group)
    witnesses = {label: len(names) for label, names in sorted(groups.items()) if len(names) >= FOLDS}
    return [photo for photo in given if photo.label in witnesses], witnesses


def _some(photos: Sequence[Photo]) -> Sequence[Photo]:
    """Choose whole groups at random, always the same ones, an equal share of each label, if there are very many."""
    if len(photos) <= MOST_JUDGED:
        return photos
    sizes: dict[str, Counter[str]] = {}
    for photo in photos:
        sizes.setdefault(photo.label, Counter())[photo.group] += 1
    generator, chosen = np.random.default_rng(0), set()
    for _, groups in sorted(sizes.items()):
        names, room = sorted(groups), MOST_JUDGED // len(sizes)
        for index in generator.permutation(len(names)).tolist():
            if room <= 0:
                break
            chosen.add(names[index])
            room -= groups[names[index]]
    return [photo for photo in photos if photo.group in chosen]


def _balanced(recalls: dict[str, float], witnesses: dict[str, int]) -> tuple[float, float]:
    """Mean recall, and the lower end of its 95 % interval by the labels' Wilson intervals (Zou and Donner 2008).

    The pictures of one group are one witness.
    """
    mean = sum(recalls.values()) / len(recalls)
    squares = 0.0
    for label, recall in recalls.items():
        count = witnesses[label]
        squares += (recall - min(recall, wilson_interval(round(recall * count), count)[0])) ** 2
    return mean, max(0.0, mean - math.sqrt(squares) / len(recalls))


def _words_of_names(photos: Sequence[Photo]) -> list[_Words]:
    names = [photo.path.stem.casefold() for photo in photos if photo.path]
    return [(*ngrams, number) for ngrams, number in zip(_ngrams(names), _number_ranges(names), strict=True)]


def _words_of_texts(photos: Sequence[Photo]) -> list[_Words]:
    return _ngrams([photo.text.casefold()[:_LONGEST] for photo in photos])


def _ngrams(texts: Sequence[str]) -> list[_Words]:
    analyse = TfidfVectorizer(analyzer="char_wb", ngram_range=_NGRAMS).build_analyzer()
    return [tuple(analyse(text)) for text in texts]


def _number_ranges(names: Sequence[str]) -> list[str]:
    """Describe, for each name, in which of up to 32 equally full ranges its last number lies."""
    numbers = [int(found[-1]) if (found := re.findall(r"\d+", name)) else None for name in names]
    known = sorted(number for number in numbers if number is not None)
    size = max(1, math.ceil(len(known) / _NUMBER_RANGES))
    range_of: dict[int, str] = {}
    for start in range(0, len(known), size):
        part = known[start : start + size]
        for number in part:
            range_of.setdefault(number, f"number {part[0]} to {part[-1]}")
    return ["no number" if number is None else range_of[number] for number in numbers]


def _given(words: _Words) -> _Words:
    return words


def _telling(classifier: Pipeline, words: Sequence[_Words], truth: NDArray[np.str_]) -> dict[str, list[str]]:
    """Find the words that most betray each label: a large weight, and found in many of its names or texts."""
    vectorizer, regression = classifier["words"], classifier["labels"]
    names, found = vectorizer.get_feature_names_out(), vectorizer.transform(words)
    lengths = np.array([min(len(name), _NGRAMS[1]) for name in names])  # a longer piece of a word says more to a reader
    weights = regression.coef_ if len(regression.classes_) > 2 else np.vstack([-regression.coef_, regression.coef_])
    examples = {}
    for label, row in zip(regression.classes_, weights, strict=True):
        usual = np.asarray(found[truth == label].mean(axis=0)).ravel()
        chosen: list[str] = []
        for index in np.argsort(-row * usual * lengths)[:50]:
            name = str(names[index]).strip()
            if name and not any(name in other or other in name for other in chosen):
                chosen.append(name)
        examples[str(label)] = chosen[:_EXAMPLES]
    return examples


def _sentence(source: TextSource, accuracy: float, low: float, chance: float, examples: dict[str, list[str]]) -> str:
    subject = {"file_name": "The file name", "column": "The text"}[source]
    telling = ", ".join(f"{words[0]!r} for {label}" for label, words in list(examples.items())[:4] if words)
    return (
        f"{subject} alone predicts the label: balanced accuracy {accuracy:.1%} (95 % interval from {low:.1%}), chance "
        f"{chance:.1%}; telling are {telling}. The accuracy of a model that reads it says nothing about pictures."
    )
