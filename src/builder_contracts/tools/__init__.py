"""What is known of tools, as data: how they print their version, and which packages they come in."""
