"""OpenTofu's language: syntax trees by tree-sitter, and evaluation as far as a checkout permits.

It uses tree-sitter's grammar instead of python-hcl2, because that gives positions for every expression, recovers from
broken files, and is more than ten times as fast on the same files (benchmarks/truth.py).
"""
