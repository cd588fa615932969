"""Run the command line with ``python -m builder_contracts``."""

from builder_contracts.cli import main

if __name__ == "__main__":
    main()
