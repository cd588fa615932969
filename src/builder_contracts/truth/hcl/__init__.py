"""OpenTofu's language: syntax trees by tree-sitter, evaluation as far as a checkout can show.

tree-sitter's grammar instead of python-hcl2: positions for every expression, recovery from broken files, and
more than ten times the speed on the same files (benchmarks/truth.py).
"""
