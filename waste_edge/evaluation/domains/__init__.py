"""Accuracy, confidence and rejection source by source: what a model has left where it was not taught."""
