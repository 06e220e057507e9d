"""The loop at a bin: see, decide, tell.

cameras/     one interface over Pi cameras, USB cameras, videos, streams and pictures
capture/     reads a camera apart from inference, in a process that may hang; the newest frame wins
presence.py  is something there? empty, arriving, settled, decided, cleared
items.py     from frames to items, each decided once
judge.py     from what was predicted of an item to one decision
loop.py      puts them together and tells the listeners; statistics.py counts
display.py, panel.py   what people and programs read
service.py   the same loop under systemd
"""
