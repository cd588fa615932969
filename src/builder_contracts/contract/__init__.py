"""The contract language: schema, loading with line numbers, clauses and their IDs."""
