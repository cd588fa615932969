"""The kernel canary: build, cache, package and boot a real kernel, and judge each tier from its record."""
