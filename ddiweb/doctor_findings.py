"""What a check of `manage.py doctor` finds, and how it says that its part is not well."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warn", "fail"]
PATIENCE = 2.0  # seconds that a part is given to answer


@dataclass(frozen=True)
class Finding:
    """One part: how it is, and what to do if it is not well."""

    part: str
    grade: Grade
    says: str
    remedy: str = ""


class Bad(Exception):  # noqa: N818 - it carries a finding's words
    """A check that ends early: what is wrong, and the remedy."""

    def __init__(self, says: str, remedy: str, grade: Grade = "fail") -> None:
        super().__init__(says)
        self.says, self.remedy, self.grade = says, remedy, grade
