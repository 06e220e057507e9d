"""Answers of people: questions of the station, and answers that are on the disk before anyone is told."""
