"""Print each item that a camera sees: python print_items.py [CAMERA]"""

import sys

from waste_edge import Station

camera = sys.argv[1] if len(sys.argv) > 1 else "auto"
for event in Station(camera=camera):
    print(event.decision.stream, "because", event.decision.reason)
