"""Lets the tests of this folder share their small files."""

import sys
from pathlib import Path

# zoo.py lies beside the tests and is no package.
sys.path.insert(0, str(Path(__file__).parent))
