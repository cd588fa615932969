"""Runners behind one protocol: a container, this machine, later a remote host or a pod."""
