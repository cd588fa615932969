"""Rules about images, namespaces and settings of the deployment."""
