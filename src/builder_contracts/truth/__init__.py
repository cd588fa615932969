"""Static judging: a checkout or a rendered deployment against the platform's and the classes' contracts."""
