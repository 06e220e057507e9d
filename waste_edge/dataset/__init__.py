"""Labelled photographs and texts: where they are read from, which belong together, how they are split.

In the core, because `evaluate` on a board must find the same validation pictures as training did.
"""

from waste_edge.dataset.domains import MEASURING, DomainPhoto, Domains, is_for_measuring, open_domains, refuse_measuring
from waste_edge.dataset.near_duplicates import group_near_duplicates, near_pairs
from waste_edge.dataset.near_hashes import picture_hash
from waste_edge.dataset.sources import EVERY_LABEL, LabelMap, open_dataset
from waste_edge.dataset.splitting import SplitSpec, missing_labels, split, split_to_train, stratified
from waste_edge.dataset.table import write_table
from waste_edge.dataset.values import PARTS, Dataset, Part, Photo, TextSource, text_of, text_of_name

__all__ = [
    "EVERY_LABEL",
    "MEASURING",
    "PARTS",
    "Dataset",
    "DomainPhoto",
    "Domains",
    "LabelMap",
    "Part",
    "Photo",
    "SplitSpec",
    "TextSource",
    "group_near_duplicates",
    "is_for_measuring",
    "missing_labels",
    "near_pairs",
    "open_dataset",
    "open_domains",
    "picture_hash",
    "refuse_measuring",
    "split",
    "split_to_train",
    "stratified",
    "text_of",
    "text_of_name",
    "write_table",
]
