"""The inside witness: a shell program that runs in the runner as the job's user."""
