"""One stream of verdicts, one module an output format."""
