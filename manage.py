#!/usr/bin/env python
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line

        from config.startup import prepare
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: run `make setup`, then .venv/bin/python manage.py.")
    try:
        prepare(sys.argv[1:])
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        # What the shell reports for a program that Ctrl-C ended.
        sys.exit(130)


if __name__ == "__main__":
    main()
