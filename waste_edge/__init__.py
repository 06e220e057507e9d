"""waste-edge: a waste classifier that deserves trust, on a 35-euro board at a real bin."""

__version__ = "0.1.0"
