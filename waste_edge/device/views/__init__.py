"""Views of a run: lines of text, JSON lines, a live panel."""
