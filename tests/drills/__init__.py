"""What must hold when it matters, played with real servers; `make drill` plays all of it."""
