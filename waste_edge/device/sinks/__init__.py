"""Sinks, which the station tells its events: one file a sink, each with its configuration and the function that builds it."""
