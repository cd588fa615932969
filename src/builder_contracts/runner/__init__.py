"""Where clauses are checked: a container, this machine, later a remote host or a pod."""
