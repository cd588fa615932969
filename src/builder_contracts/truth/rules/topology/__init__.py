"""Where the platform runs, and what it no longer depends on."""
