"""Proof that nothing published contains a planted secret."""
