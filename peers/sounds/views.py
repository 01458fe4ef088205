"""Audio for people to listen to in the panel."""

from django.http import HttpRequest, HttpResponse


def wav(request: HttpRequest, audio: bytes) -> HttpResponse:
    """Answer with a WAV file, or with the part that a player asked for (RFC 9110, 14.2)."""
    first, last = _range(request.headers.get("Range", ""), len(audio))
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store",
               "X-Content-Type-Options": "nosniff"}  # fmt: skip
    if first is None or last is None:
        return HttpResponse(audio, content_type="audio/wav", headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(audio)}"
    part = audio[first : last + 1]
    return HttpResponse(part, content_type="audio/wav", status=206, headers=headers)


def _range(text: str, size: int) -> tuple[int | None, int | None]:
    """Return first and last byte of one range within ``size``; None for the whole."""
    unit, _, rest = text.partition("=")
    first, dash, last = rest.partition("-")
    if unit != "bytes" or not dash or not first.isdecimal() or (last and not last.isdecimal()):
        return None, None
    begin, end = int(first[:12]), min(int(last[:12] or size), size - 1)
    return (begin, end) if begin <= end else (None, None)
