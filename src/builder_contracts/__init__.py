"""Executable contracts for CI runner classes."""

__version__ = "0.1.0"
