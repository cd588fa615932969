"""The meaning of a history at a given time: pure functions from series to statuses, incidents and flakes."""
