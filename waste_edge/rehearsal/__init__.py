"""Rehearsals: films whose items are known are played through the station's loop, and its decisions are scored.

items.py     what is laid down: cut out of photographs, or rendered
film.py      films composed of these and a ground
recorded.py  films that a person made, with a CSV file of what lay there when
play.py      a film through the loop, on its own time
score.py     events against the truth
report.py    all films together: figures with their intervals
page.py      a page with every item
"""
