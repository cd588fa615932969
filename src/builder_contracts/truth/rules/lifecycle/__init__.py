"""How pools grow and shrink, and how long things may take."""
