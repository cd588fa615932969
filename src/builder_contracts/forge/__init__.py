"""The client of code hosts, GitHub and GitLab, and a small reader of Linear."""
