"""Bodies and headers that nobody would send in good faith."""
