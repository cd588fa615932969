"""Proof of a state over HTTP, as GitLab keeps it."""
