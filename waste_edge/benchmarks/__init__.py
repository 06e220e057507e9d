"""How fast is a bundle on this machine? What is timed (scenario), how (measure), where (machine), and the report.

`benchmarks/` at the top of the repository holds recorded results.
"""
