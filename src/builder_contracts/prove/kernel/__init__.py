"""The kernel canary: builds, caches, packages and boots a real kernel, and judges each tier of it by its record."""
