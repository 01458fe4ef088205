#!/usr/bin/env python
"""Django's command line for ddiweb."""

import os
import sys


def main() -> None:
    """Run one management command under ``ddiweb.settings``."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ddiweb.settings")
    from django.core.management import execute_from_command_line

    from ddiweb.env import MissingSettingError

    try:
        execute_from_command_line(sys.argv)
    except MissingSettingError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
