"""The rows of the crash matrix that processes, hooks and the database's death make up."""
