"""Output that several verbs share: tables, plots, reports."""
