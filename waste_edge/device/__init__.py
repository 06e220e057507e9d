"""The loop at a bin: see, decide, tell.

cameras/     one interface over Pi cameras, USB cameras, videos, streams and pictures
capture/     reads a camera apart from inference, in a process that may hang; the newest frame wins
presence.py  is something there? empty, arriving, settled, decided, cleared
scene.py     the scene as a pile of looks: the empty one, and one for each item
camera_health.py   is the camera to be believed? camera_faults.py holds the checks
items.py     from frames to items, each decided once
judge.py     from what was predicted of an item to one decision
loop.py      puts them together and tells the listeners; statistics.py counts
display.py, panel.py   what people and programs read
service.py   the same loop under systemd: installed in steps.py's steps, judged by service_status.py
notify.py    what it tells systemd: ready, alive, reloading

board.py     what the board tells of itself; shedding.py makes it do less when it suffers
disk.py      room, and how much is written a day
doctor/      is this board fit to be a station?
"""
