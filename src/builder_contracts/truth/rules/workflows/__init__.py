"""What jobs expect of the runners that they select."""
