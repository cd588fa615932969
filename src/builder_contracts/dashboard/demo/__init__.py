"""Simulated nights, to demonstrate and to test the dashboard."""
