"""Runners behind one protocol: a container, this machine, a pod, a host that ssh reaches."""
