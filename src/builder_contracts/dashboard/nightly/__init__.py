"""What a scheduled CI job reports outside the site: issues and the job summary."""
