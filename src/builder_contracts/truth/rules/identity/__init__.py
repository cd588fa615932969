"""What the platform is called, and where it says so."""
