"""Tasks: meaning, training and evaluation of a network's outputs; a folder or file each."""
