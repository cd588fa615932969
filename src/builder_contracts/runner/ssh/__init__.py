"""A host that is reached by ssh."""
