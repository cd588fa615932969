"""One reader a format: files to the one model of what is deployed and what is said."""
