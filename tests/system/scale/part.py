"""One part of the measures in its own process: ``django_program tests.system.scale.part NAME SIZE``.

The last line that it prints has its figures and problems, as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from django.core.management import call_command

from tests.system.scale import big_erase, midnight, plain_erase, soak

PARTS: Final = {"midnight": midnight.run, "erase": big_erase.run, "plain": plain_erase.run, "soak": soak.run}


def main() -> None:
    name, size = sys.argv[1:]
    call_command("migrate", run_syncdb=True, verbosity=0)
    with tempfile.TemporaryDirectory(prefix="jobs-scale-", ignore_cleanup_errors=True) as directory:
        result = PARTS[name](Path(directory), **json.loads(size))
    print(json.dumps(result, default=str), flush=True)


if __name__ == "__main__":
    main()
