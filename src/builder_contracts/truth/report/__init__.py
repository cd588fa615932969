"""Judgements for people and for tools, one module a format."""
