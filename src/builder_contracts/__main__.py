"""``python -m builder_contracts``: the command line."""

from builder_contracts.cli import main

if __name__ == "__main__":
    main()
