"""Rules about scaling and time limits."""
