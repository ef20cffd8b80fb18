"""The command line: the same engine without the page. `python -m diffbio_engine --help`."""

import faulthandler
import sys

from diffbio_engine.command_line import main

if __name__ == "__main__":
    faulthandler.enable()  # a compiled reader that breaks down at a file says where, not nothing
    sys.exit(main())
