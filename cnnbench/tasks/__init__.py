"""Tasks: what the outputs of a network mean and how they are judged; a folder or file each."""
