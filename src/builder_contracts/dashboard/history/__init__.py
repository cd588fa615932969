"""Results of many runs in one file: reports are read, stored, and read back as series."""
