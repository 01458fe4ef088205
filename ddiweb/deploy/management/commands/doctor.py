"""``manage.py doctor``: what is wrong on this machine, and how to mend it."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ddiweb import doctor
from ddiweb.doctor_findings import Finding


class Command(BaseCommand):
    """Print one line a part; exit status 1 if a part fails."""

    help = "Say what is wrong on this machine, and how to mend it."
    # It must run when the settings are not as they should be.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --json."""
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine every part."""
        findings = []
        for finding in doctor.examine():
            findings.append(finding)
            if not options["json"]:
                self._show(finding)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1))
        if any(finding.grade == "fail" for finding in findings):
            raise SystemExit(1)

    def _show(self, finding: Finding) -> None:
        styles = {"ok": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}
        grade = styles[finding.grade](f"{finding.grade:<5}")
        self.stdout.write(f"{grade}{finding.part:<12} {finding.says}")
        if finding.remedy and finding.grade != "ok":
            self.stdout.write(f"{'':<18}→ {finding.remedy}")
