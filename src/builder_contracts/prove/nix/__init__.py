"""Proof of a Nix binary cache."""
