"""Proof of a state store."""
