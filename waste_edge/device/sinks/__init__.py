"""Sinks, which the station tells its events: one file each, with its configuration and what builds it."""
