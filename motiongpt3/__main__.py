"""`python -m motiongpt3` is the command line."""

import sys

from motiongpt3.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
