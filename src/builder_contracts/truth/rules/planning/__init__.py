"""Rules about the milestones and issues of the programme in the trackers."""
