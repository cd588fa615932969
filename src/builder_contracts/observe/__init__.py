"""Observation: send one program into the runner, and read all facts from its output."""
