"""Rules about operators' access and public addresses."""
