"""Text from outside: shown so that it can do nothing to a terminal, a log or a page, and compared as people read it."""

from __future__ import annotations

import unicodedata

# What is never sent to a terminal as it is: control characters (ESC, CR, the C1 block), what turns the order of
# letters round, and line separators. Joiners stay: Persian, Hindi and emoji are written with them.
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *map(ord, _BIDI), 0x2028, 0x2029, 0xFEFF, *range(0xFFF9, 0xFFFC)]
_SHORT = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


def _escape(code: int) -> str:
    return _SHORT.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


_ESCAPES = {code: _escape(code) for code in _CONTROLS}
_ESCAPES_IN_LINES = {code: escape for code, escape in _ESCAPES.items() if code != 0x0A}
_IN_JSON = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x20}


def visible(text: str, lines: bool = False) -> str:
    """Text of whatever origin as it may be printed: on one line, every control and bidi character escaped.

    Args:
        text: may hold the lone surrogates that stand for bytes of a name that is not UTF-8; they become `\\udc..`.
        lines: newlines stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return as_utf8(text).translate(_ESCAPES_IN_LINES if lines else _ESCAPES)


def as_utf8(text: str) -> str:
    """Text that any database, JSON or MQTT takes: the bytes of a name that is not UTF-8 become `\\udc..`."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_line(text: str) -> str:
    """A path for a JSON document: in UTF-8, on one line, and otherwise as it is."""
    return as_utf8(text).replace("\n", "\\n")


def visible_json(document: str) -> str:
    """A JSON document as it may be printed: equal to any JSON reader, and nothing in it moves a cursor."""
    return document if document.isascii() and "\x7f" not in document else document.translate(_IN_JSON)


def in_markdown(text: str) -> str:
    """Text as a cell or a word of Markdown: no column ends, and no tag, code, link or picture begins in it."""
    escaped = visible(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    return escaped.replace("<", "&lt;").replace("](", "]\\(")


def reading_key(name: str) -> str:
    """Equal for names that read the same: composed or decomposed, in any case, with any blanks, joiners or not."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    kept = "".join(letter for letter in folded if unicodedata.category(letter) not in ("Cf", "Cc"))
    return " ".join(kept.split())


def same_text(name: str) -> str:
    """The composed form (NFC) of a name: what a Mac wrote decomposed is found by what a PC wrote."""
    return unicodedata.normalize("NFC", name)


def fault_of_name(name: str) -> str:
    """Explain why a file's name cannot be stored in a table or on another system; empty if it can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "not a UTF-8 name"
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
        return "a name with control characters"
    return ""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
