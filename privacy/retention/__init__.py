"""How long each class of data stays, and the tick that keeps to it."""
