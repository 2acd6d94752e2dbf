"""The editor's desk. Every page asks the doors of privacy.access; a GET changes nothing."""
