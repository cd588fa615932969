"""What a history means at a given time: pure functions from series to statuses, incidents and flakes."""
