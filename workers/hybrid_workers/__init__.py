"""The worker classes that come with hybrid. How to write one: README.md in the folder above."""
