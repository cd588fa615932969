"""Teeth: clauses whose promises are changed until they are false, and must then be broken."""
