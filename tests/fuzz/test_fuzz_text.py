from __future__ import annotations

import json
import unicodedata

from hypothesis import strategies as st

from tests.fuzz.harness import fuzzed, survive
from waste_edge.device.cameras.address import without_password
from waste_edge.files.text import in_markdown, reading_key, visible, visible_json
from waste_edge.imaging.preprocess import Region
from waste_edge.taxonomy import check_labels, check_tree

TEXT = st.text(st.characters(), max_size=80)
SECRET = "Xq7SECRETq7X"


@fuzzed("text", 0.05, text=TEXT)
def test_what_is_shown_moves_no_cursor(text: str) -> None:
    shown = survive("text", lambda: visible(text))
    assert isinstance(shown, str)
    shown.encode()
    assert not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs") for letter in shown)
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069") & set(shown)
    assert visible(shown) == shown
    assert "<" not in in_markdown(text)
    assert reading_key(reading_key(text)) == reading_key(text)


@fuzzed("json-text", 0.03, text=st.text(max_size=80))
def test_json_that_is_shown_says_the_same(text: str) -> None:
    document = json.dumps({"a": text}, ensure_ascii=False)
    assert json.loads(str(survive("json-text", lambda: visible_json(document)))) == {"a": text}


@fuzzed(
    "address",
    0.05,
    before=st.text("ab:/?#@.[]1", max_size=6),
    after=st.text("ab:/?#.[]1", max_size=6),
    scheme=st.sampled_from(["rtsp://", "RTSP://", "http://", "rtsp:/", "tcp://"]),
)
def test_a_password_is_never_shown(before: str, after: str, scheme: str) -> None:
    """Whatever stands in the password beside the secret; the address has a user, a colon and an @ before its host."""
    shown = str(survive("address", lambda: without_password(f"{scheme}user:{before}{SECRET}{after}@host:554/live")))
    assert SECRET not in shown


@fuzzed("labels", 0.03, labels=st.lists(TEXT, max_size=6), tree=st.dictionaries(TEXT, TEXT, max_size=6))
def test_labels_and_trees(labels: list[str], tree: dict[str, str]) -> None:
    survive("labels", lambda: (check_labels(labels), check_tree(tree, labels)), (ValueError,))


@fuzzed("region", 0.01, left=st.floats(), right=st.floats())
def test_regions(left: float, right: float) -> None:
    survive("region", lambda: Region(left=left, right=right), (ValueError,))
