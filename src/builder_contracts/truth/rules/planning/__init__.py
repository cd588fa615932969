"""Milestones and issues of the programme against the trackers."""
