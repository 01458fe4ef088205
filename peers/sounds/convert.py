"""An uploaded WAV or MP3 to what Asterisk plays: WAV, one channel of 8,000 samples of 16 bits.

miniaudio (dr_wav, dr_mp3) decodes piece by piece, and no longer than the longest sound allowed: a
small file that would be hours of sound costs no more memory than any other.
"""

import io
import wave
from dataclasses import dataclass

from django.core.exceptions import ValidationError

#: Of the file as it is uploaded.
MOST_BYTES = 10 * 1024 * 1024
#: Of the sound, in seconds; 4.8 MB when converted.
LONGEST = 300
RATE = 8000
_PIECE = RATE  # frames decoded at once


@dataclass(frozen=True)
class Converted:
    """A WAV file of ``seconds``."""

    wav: bytes
    seconds: float


def convert(data: bytes) -> Converted:
    """Return ``data`` as Asterisk plays it; raises ValidationError with the fault and the remedy.

    The kind is told from the contents, never from the file's name.
    """
    import miniaudio

    if len(data) > MOST_BYTES:
        raise _refuse(f"is larger than {MOST_BYTES // 2**20} MB; shorten it", "too_large")
    if not _is_wav(data) and not _is_mp3(data):
        raise _refuse("is neither a WAV nor an MP3 file; convert it to one of these", "kind")
    samples = io.BytesIO()
    try:
        decoder = miniaudio.stream_memory(
            data, miniaudio.SampleFormat.SIGNED16, 1, RATE, frames_to_read=_PIECE
        )
        for piece in decoder:
            if not piece:
                break
            samples.write(piece.tobytes())
            if samples.tell() > LONGEST * RATE * 2:
                raise _refuse(f"lasts longer than {LONGEST} seconds; shorten it", "too_long")
    except miniaudio.MiniaudioError:
        raise _refuse("can't be read as sound; save it anew as WAV or MP3", "broken") from None
    seconds = samples.tell() / 2 / RATE
    if seconds < 0.1:
        raise _refuse("holds no sound; choose another file", "empty")
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.getvalue())
    return Converted(made.getvalue(), seconds)


def _is_wav(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def _is_mp3(data: bytes) -> bool:
    """Whether it begins with an ID3 tag, or a frame's sync word of MPEG audio layer III."""
    frame = len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return data[:3] == b"ID3" or frame


def _refuse(text: str, code: str) -> ValidationError:
    return ValidationError(text, code=code)
