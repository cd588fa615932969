"""Rules about the platform's name."""
