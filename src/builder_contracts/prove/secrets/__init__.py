"""Search of everything published for a planted secret."""
