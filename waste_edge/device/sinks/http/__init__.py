"""Telling other people's web servers: addresses that may be told, requests with an end, secrets and signatures."""
