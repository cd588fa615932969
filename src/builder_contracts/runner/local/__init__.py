"""This host as a runner."""
