"""Projects into which `jobs` is installed from its wheel, outside this source tree; see ``tests/system``."""
