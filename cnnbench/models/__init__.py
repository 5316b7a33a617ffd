"""What is measured: the catalogue, a family a file, and how a network of your own is found."""
