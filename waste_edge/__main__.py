"""`python -m waste_edge` is `waste-edge`."""

from waste_edge.cli.main import main

if __name__ == "__main__":
    main()
