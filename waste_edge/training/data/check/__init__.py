"""`waste-edge data check`: is a folder of photographs fit to train on?

findings.py    what is told of a folder
scan.py        every file seen once: what it is, and the numbers that stand for it: colours and edges, or a network's
duplicates.py  the same picture again: in one label, in two, on two sides of a split
outliers.py    sizes, shapes, light and sharpness that stand apart; how many pictures a label has
mislabels.py   pictures that look like another label's
sheets.py      contact sheets
check.py       runs them, and checks names
"""
