"""The command line: the same engine without the page. `python -m diffbio_engine --help`."""

import sys

from diffbio_engine.command_line import main

if __name__ == "__main__":
    sys.exit(main())
