"""Rules about jobs and the runners that they select."""
