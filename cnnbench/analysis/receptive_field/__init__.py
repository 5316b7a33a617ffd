"""Receptive fields: the value (`field`), operations on it (`algebra`), and those of a network."""
