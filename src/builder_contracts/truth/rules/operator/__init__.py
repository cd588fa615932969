"""How operators reach the platform, and what the public may reach."""
