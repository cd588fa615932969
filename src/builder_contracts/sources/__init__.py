"""Contracts from elsewhere: a git repository, an archive or a registry; locked by digest, kept in a cache."""
