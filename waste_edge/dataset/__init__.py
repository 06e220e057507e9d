"""Labelled photographs and texts: where they are read from, which belong together, how they are split.

In the core, because `evaluate` on a board must find the same validation pictures as training did.
"""

from waste_edge.dataset.label_map import EVERY_LABEL, LabelMap
from waste_edge.dataset.near_duplicates import group_near_duplicates, near_pairs, picture_hash
from waste_edge.dataset.parts import missing_labels, split_to_train
from waste_edge.dataset.sources import open_dataset
from waste_edge.dataset.splitting import SplitSpec, split, stratified
from waste_edge.dataset.table import write_table
from waste_edge.dataset.text import TextSource, text_of, text_of_name
from waste_edge.dataset.values import PARTS, Dataset, Part, Photo

__all__ = [
    "EVERY_LABEL",
    "PARTS",
    "Dataset",
    "LabelMap",
    "Part",
    "Photo",
    "SplitSpec",
    "TextSource",
    "group_near_duplicates",
    "missing_labels",
    "near_pairs",
    "open_dataset",
    "picture_hash",
    "split",
    "split_to_train",
    "stratified",
    "text_of",
    "text_of_name",
    "write_table",
]
