"""The web workbench: `panel serve app`."""
