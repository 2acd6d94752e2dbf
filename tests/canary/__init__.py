"""Eleven planted canaries, and every place where one of them could come to light."""
