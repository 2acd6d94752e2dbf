"""Pages: the DPO's desk, and the few that a person opens by a link from their own channel."""
