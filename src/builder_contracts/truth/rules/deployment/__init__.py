"""Where the platform is deployed, and what it is deployed from."""
