"""The pages of subscribers. No account and no cookie: a link is the key to its page."""
