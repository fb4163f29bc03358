"""Says so if it is imported: only a hostile message names it."""

import logging

logging.getLogger(__name__).error("Imported for a message")
