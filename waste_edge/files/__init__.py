"""Reading and writing files: atomic writes, strict JSON and TOML, and where shipped files are."""
