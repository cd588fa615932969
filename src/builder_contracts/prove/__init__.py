"""Proofs: experiments that build, publish, fetch and attempt what must be rejected, and judges of their records."""
