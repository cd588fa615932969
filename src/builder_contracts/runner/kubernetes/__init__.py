"""Runners in pods of a Kubernetes cluster."""
