"""Proof of what a job may publish, and what it may not."""
