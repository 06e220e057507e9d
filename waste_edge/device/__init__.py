"""The loop at a bin: see, decide, tell.

cameras/     one interface over Pi cameras, USB cameras, videos, streams and pictures
capture.py   reads a camera apart from inference; the newest frame wins
presence.py  is something there? empty, arriving, settled, decided, cleared
decide.py    from the settled frames to one decision an item
loop.py      puts them together and tells the listeners; statistics.py counts
display.py, panel.py   what people and programs read
service.py   the same loop under systemd
"""
