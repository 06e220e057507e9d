"""A candidate in the shadow of the model in charge: its process, what it is shown, and how the two compare."""
