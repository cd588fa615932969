"""The one client of code hosts: GitHub, GitLab, and a small reader of Linear."""
