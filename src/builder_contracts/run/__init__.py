"""A run, independent of the command or plugin that starts it: options, inputs, observations, proofs, verdicts."""
