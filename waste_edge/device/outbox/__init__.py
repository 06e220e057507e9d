"""The outbox: events on the disk before anyone is told of them.

event_store.py   when an event, and the scene, is written
outbox.py        writes it, and keeps it in memory while the disk cannot be written
database.py      the file's tables and transactions
features.py      what each item was decided from, in a file of its own
read_only.py     reads both, also beside a station that runs
"""
