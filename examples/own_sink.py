"""Append each decision to a CSV file: python own_sink.py decisions.csv [CAMERA]"""

import csv
import sys

from waste_edge import Event, Station


def append(event: Event) -> None:
    with open(sys.argv[1], "a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([event.id, event.decision.stream, event.decision.confidence])


Station(camera=sys.argv[2] if len(sys.argv) > 2 else "auto").run(on_event=append)
