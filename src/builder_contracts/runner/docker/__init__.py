"""Runners in containers of a Docker Engine."""
