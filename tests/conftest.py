"""What every test shares."""

import os

from hypothesis import settings

# A deadline measures the machine, not the code. Where nobody can look, the examples are fixed.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
