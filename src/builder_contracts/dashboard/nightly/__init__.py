"""Output of a scheduled CI job other than the site: issues and the job summary."""
