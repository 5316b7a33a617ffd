"""LiteRT files (``.tflite``): the flatbuffer, its metadata, its integer interface, and a network
that runs one."""
