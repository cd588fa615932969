"""The data of each page, which is also written as JSON next to it."""
