"""The acts, by who is on the stage."""

from config.story.acts import editor, lists, officer, program, reader

__all__ = ["editor", "lists", "officer", "program", "reader"]
