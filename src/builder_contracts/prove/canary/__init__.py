"""Canaries: real workloads that a builder class must build."""
