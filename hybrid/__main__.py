"""`python -m hybrid`: the same as the command `hybrid`."""

import sys

from hybrid.cli import main

if __name__ == "__main__":
    sys.exit(main())
