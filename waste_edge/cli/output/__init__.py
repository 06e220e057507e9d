"""What several verbs print, draw and write."""
