"""Proof of the targets to which a job may publish, and of those to which it may not."""
