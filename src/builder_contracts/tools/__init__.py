"""What is known of tools, as data: how they print their version, what work shows that they do their job, and packages."""
