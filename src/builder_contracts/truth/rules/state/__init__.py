"""Which backend holds the state of each stack."""
