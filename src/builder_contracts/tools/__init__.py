"""Knowledge about tools as data: how they print their version, and which packages contain them."""
