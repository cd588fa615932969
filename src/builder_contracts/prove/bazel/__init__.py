"""Proof of a Bazel remote cache."""
