"""The house that needs nothing: two private PostgreSQL clusters and one supervisor (`make run`)."""
