"""Distil a teacher and export the student: python distil_and_export.py runs/teacher photos/ my-bundle [RECIPE]"""

import sys

from waste_edge import distill, evaluate, export

teacher, photos, out, *rest = sys.argv[1:]
quantization = rest[0] if rest else "static_wi8_ai8"
run = distill("student_mobilenet_v1_025", [teacher], photos, "runs/student", changes=rest[1:])
bundle = export("runs/student", photos, out, recipe=quantization, licence="CC-BY-4.0")
print(f"{bundle.manifest.name}: {evaluate(out, photos).scores.accuracy:.1%} right, from {run.pictures} pictures")
