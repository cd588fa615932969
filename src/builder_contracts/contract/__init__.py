"""The contract language: schema, loading with line numbers, the clause model, ids."""
