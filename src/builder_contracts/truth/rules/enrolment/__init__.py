"""Who may use the runners, and how scale sets are registered."""
