"""The station's own loop, timed: stages, whole pipeline, soak, first decision."""
