"""Verdicts, the rungs of the evidence ladder, and the records that carry them."""
