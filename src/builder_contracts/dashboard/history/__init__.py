"""The history of verdicts in one file: read reports, store results, and return them as series."""
