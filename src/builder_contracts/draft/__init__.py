"""First contracts: a survey of a runner, and the promises that it keeps."""
