"""Models measured and compared on the same pictures: one page that opens offline, JSON, Markdown tables."""
