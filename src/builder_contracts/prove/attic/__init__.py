"""Attic, a Nix cache with a protocol of its own for uploads."""
