"""One reader per format: from files to the model of a checkout."""
