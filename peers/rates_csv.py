"""Rates of a vendor as CSV: ``prefix,rate per minute,setup,increment``."""

import csv
import io
import re
from decimal import Decimal, InvalidOperation

from django.core.exceptions import ValidationError

from peers.realtime.outgoing import RATES_MAX
from peers.toll_models import PREFIX, Rate

BYTES_MAX = 2_000_000
HIGHEST = Decimal(10_000)


def parse(text: str) -> list[Rate]:
    """Return unsaved rates; raises ValidationError naming each bad line (the first ten).

    Columns: prefix (with or without +), rate a minute, and if wanted the set-up fee and the
    seconds of which each begun piece is charged (60). A first line of words is left out; ``;`` may
    separate, and a decimal comma is read where it does.
    """
    if len(text.encode()) > BYTES_MAX:
        raise ValidationError("is larger than 2 MB; split it", code="too_large")
    if "\x00" in text:
        raise ValidationError("holds a NUL character; export it as CSV", code="binary")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    found: dict[str, Rate] = {}
    faults: list[ValidationError] = []
    for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), start=1):
        if not any(cell.strip() for cell in cells) or (number == 1 and not _numeric(cells[0])):
            continue
        try:
            rate = _rate([cell.strip() for cell in cells], delimiter)
            if rate.prefix in found:
                raise ValueError(f"{rate.prefix} stands twice; keep one")
        except ValueError as error:
            faults.append(ValidationError(f"line {number}: {error}", code="bad_line"))
        else:
            found[rate.prefix] = rate
        if len(faults) == 10 or len(found) > RATES_MAX:
            break
    if faults:
        raise ValidationError(faults)
    if len(found) > RATES_MAX:
        raise ValidationError(f"has more than {RATES_MAX} rates; leave some out", code="too_many")
    if not found:
        raise ValidationError("holds no rate; write lines such as +44,0.0125", code="empty")
    return list(found.values())


def _numeric(cell: str) -> bool:
    return bool(re.fullmatch(r"\+?[0-9]+", cell.strip().lstrip("\ufeff")))


def _rate(cells: list[str], delimiter: str) -> Rate:
    if not 2 <= len(cells) <= 4:
        raise ValueError(f"has {len(cells)} columns; write prefix, rate, set-up fee, increment")
    prefix = "+" + cells[0].lstrip("\ufeff").removeprefix("+")
    if not re.fullmatch(PREFIX, prefix):
        raise ValueError("the prefix is none; write digits with the country code, such as +4420")
    increment = cells[3] if len(cells) == 4 and cells[3] else "60"
    if not re.fullmatch(r"[0-9]{1,4}", increment) or not 1 <= int(increment) <= 3600:
        raise ValueError("the increment is none; write seconds from 1 to 3600")
    return Rate(
        prefix=prefix,
        a_minute=_money(cells[1], delimiter),
        setup=_money(cells[2] if len(cells) > 2 and cells[2] else "0", delimiter),
        increment=int(increment),
    )


def _money(cell: str, delimiter: str) -> Decimal:
    text = cell.replace(",", ".") if delimiter == ";" else cell
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,4})?", text):
        raise ValueError(
            "an amount is none; write such as 0.0125, at most 4 digits after the point"
        )
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("an amount is none; write such as 0.0125") from None
    if amount > HIGHEST:
        raise ValueError(f"an amount is above {HIGHEST}; is the decimal point right?")
    return amount
