"""The speed of bundles on this machine, and how right the timed networks are.

What is timed (scenario), how (measure), where (machine), and the report.

`benchmarks/` at the top of the repository holds recorded results.
"""
