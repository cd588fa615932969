"""Observation: one program, sent once, that answers with all facts."""
