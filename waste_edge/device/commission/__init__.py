"""Commissioning: a station is shown its own items, learns a head from them, and installs it if it is better.

session.py       the parts of one commissioning, from a station's configuration
records.py       what was shown, in the state folder: resumed after any stop
shot_checks.py   which shots are refused, and why
shooting.py      from frames, films and folders to shots, through the station's own eye
from_answers.py  shots from answers that people gave later
place.py         the view before anything is shown: dark, blurred, moving; the region that items come up in
view.py          how the view is turned, and the lights that the empty scene was seen in, for the station, too
dialogue.py      what is asked for and told, over frames or a folder
page.py          the dialogue in a browser, beside the terminal
outcome.py       the head fitted to what was shown, and what it is worth
new_bundle.py    a new version of the bundle with that head
install.py       into the station's model store, and back
"""

# Here, so that a station that was never commissioned looks for the file and imports nothing else.
FOLDER, VIEW_NAME = "commission", "view.json"  # in the station's state folder
