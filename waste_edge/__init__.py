"""waste-edge: a waste classifier that deserves trust, on a 35-euro board at a real bin."""

from waste_edge.libraries import switch_off_telemetry

__version__ = "0.1.0"

switch_off_telemetry()
