"""What happens around the engine: brokers, lines, clocks, disks and databases that fail."""
