"""The static site: pages, feed and badges from an analyzed history."""
