"""The model of what was observed in a runner: plain data that can be saved and compared."""
