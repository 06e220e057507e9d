"""Support: one zip for a bug report, with secrets removed.

redact.py   removes secrets from text: known ones, and what looks like one
known.py    secrets of this station: files and variables that its configuration names, passwords in addresses
gather.py   the parts of a report; each is gathered in bounded time, and one that fails says why
archive.py  the zip, written whole or not at all
"""
