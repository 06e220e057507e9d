"""Add a label to each row of a CSV file with a column `path`: python classify_csv.py photos.csv labelled.csv"""

import csv
import sys

from waste_edge import Classifier

classifier = Classifier.load("accurate")
with open(sys.argv[1], newline="", encoding="utf-8") as source, open(sys.argv[2], "w", encoding="utf-8") as target:
    writer = csv.writer(target)
    writer.writerow(["path", "label", "confidence"])
    for row in csv.DictReader(source):
        prediction = classifier.classify(row["path"])
        writer.writerow([row["path"], prediction.label, f"{prediction.confidence:.3f}"])
