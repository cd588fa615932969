"""Test plugins must be named at the top level; the product's own comes by its entry point."""

pytest_plugins = ["pytester"]
