"""Distil a teacher into a small student, export it: python distil_and_export.py runs/teacher photos/ my-bundle"""

import sys

from waste_edge import distill, evaluate, export

teacher, photos, out = sys.argv[1:4]
run = distill("student_mobilenet_v1_025", [teacher], photos, "runs/student", changes=sys.argv[4:])
bundle = export("runs/student", photos, out, licence="CC-BY-4.0")
print(f"{bundle.manifest.name}: {evaluate(out, photos).scores.accuracy:.1%} right, from {run.pictures} pictures")
