"""One stream of verdicts, and one module per output format."""
