"""The outside witness: what the engine and the kernel show of a runner, without a program of its image."""
