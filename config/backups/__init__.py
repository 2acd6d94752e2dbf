"""Copies of both databases, apart and with different terms, and how to put them back."""
