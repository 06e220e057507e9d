"""Print the label of every JPEG picture of a folder: python classify_folder.py photos/"""

import sys
from pathlib import Path

from waste_edge import Classifier

classifier = Classifier.load("small")
pictures = sorted(Path(sys.argv[1]).glob("*.jpg"))
for picture, prediction in zip(pictures, classifier.classify_many(pictures), strict=True):
    print(f"{picture.name}: {prediction.label} {prediction.confidence:.0%}")
