"""The answer to an access request: everything we store of a person, in one sealed package."""
