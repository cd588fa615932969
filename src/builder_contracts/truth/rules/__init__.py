"""The rules of each area: pure functions from what is declared and what was read to observations."""
