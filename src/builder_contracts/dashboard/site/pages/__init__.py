"""What each page shows, as plain data: the same that is written as JSON next to the page."""
