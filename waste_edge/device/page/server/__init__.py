"""The page's process: HTTP for browsers and programs, from what the station tells it.

main.py         the process: gives up what it does not need, listens, ends with the station
mirror.py       what the station told last; its socket
connections.py  bounds on connections, headers and time
guard.py        who may ask: host names, tokens, origins; headers of every answer
auth.py         tokens and cookies, and how often a wrong one may be tried
app.py          the addresses of the page
metrics.py      the state as Prometheus reads it
uploads.py      pictures that are sent here, in memory and bounded
classifying.py  the process that classifies them, seen from here
worker.py       that process
"""
