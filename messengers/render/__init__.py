"""From the neutral tree to a messenger's dialect: once per dispatch, then once per person."""
