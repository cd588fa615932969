"""The model of observed facts: plain data that can be saved and compared."""
