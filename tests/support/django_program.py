"""Sets Django up and runs a module as a program: ``python -m tests.support.django_program MODULE ARGUMENTS``.

The module can then import models at its top.
"""

import runpy
import sys

import django

if __name__ == "__main__":
    django.setup()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
