"""Proofs: experiments that build, publish, fetch and try what must be refused, and the judging of their records."""
