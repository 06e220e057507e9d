"""Commissioning: a station is shown its own items, learns a head from them, and installs it if it is better.

records.py      what was shown, in the state folder: resumed after any stop
shot_checks.py  which shots are refused, and why
shooting.py     from frames, films and folders to shots, through the station's own eye
place.py        the view before anything is shown: dark, blurred, moving; the region that items come up in
outcome.py      the head fitted to what was shown, and what it is worth
install.py      a new version of the bundle with that head, into the station's model store, and back
"""
