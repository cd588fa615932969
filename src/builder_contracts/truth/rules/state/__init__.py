"""Rules about the backends of stacks."""
