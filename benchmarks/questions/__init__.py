"""One file for each question. A file that defines QUESTION is found by itself."""
