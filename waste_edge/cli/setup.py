"""`waste-edge setup`: a station.toml, question by question."""


def command() -> None:
    """x."""
