"""Whom the station tells: one file a sink, each with its configuration and the function that builds it."""
