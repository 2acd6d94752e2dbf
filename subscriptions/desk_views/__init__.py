"""The desk's pages about subscribers. Every query goes through `visible_to`: a foreign newsletter
does not exist for somebody without rights in it.
"""
