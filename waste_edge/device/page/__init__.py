"""The page of a station, in a process of its own: live view, items, health, metrics, uploads.

config.py    the table `[page]`
listener.py  hears the loop, in its thread: hands references over, and nothing more
counts.py    items by stream and action, by day, and how long decisions took
state.py     the state of the station, as both processes know it
snapshot.py  composes it once a second, and the pictures
process.py   how it is started, heard and ended
link.py      starts the page's process, tells it, hears it, and starts it again
packets.py   messages between the two processes
server/      the page's process
static/      its HTML, CSS and JavaScript
"""
