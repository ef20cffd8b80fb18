"""Lets the attacks of this folder share their small files."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
