"""The embedded environment: real caches, a registry and an object store, started by the run and only for it."""
