"""The embedded environment: real caches, a registry and an object store, started by the run for the run."""
