"""Knowledge about tools as data: how they print their version, the work that proves them, and their packages."""
