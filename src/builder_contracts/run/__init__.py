"""What a run is, whichever face started it: options, inputs, observations, proofs, one stream of verdicts."""
