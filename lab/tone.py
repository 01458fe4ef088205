"""Which tone is in a recording: Goertzel's algorithm in pure Python.

Used to prove that audio really passed: each end plays its own frequency and must hear the other's.
"""

import math
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOWEST_HZ = 300
HIGHEST_HZ = 1500
STEP_HZ = 20
#: A tone counts if it carries this share of the power; silence and noise do not.
SHARE = 0.5
#: Mean square of samples below which it is silence (16 bit).
SILENCE = 100.0 * 100.0


@dataclass(frozen=True)
class Heard:
    """The loudest tone: ``hz`` is 0 if there was none; ``share`` of the whole power."""

    hz: int
    share: float
    seconds: float


def power(samples: Sequence[int], rate: int, hz: float) -> float:
    """Return the share of the power of ``samples`` that lies at ``hz`` (1.0 for a pure tone)."""
    factor = 2.0 * math.cos(2.0 * math.pi * hz / rate)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    total = math.fsum(float(sample) * sample for sample in samples)
    found = last * last + before * before - factor * last * before
    return 2.0 * found / (len(samples) * total) if total else 0.0


def heard(samples: Sequence[int], rate: int) -> Heard:
    """Return the loudest tone of ``samples``; the last half second of sound decides."""
    window = loud_part(samples, rate)
    seconds = len(samples) / rate
    if not window:
        return Heard(0, 0.0, seconds)
    candidates = range(LOWEST_HZ, HIGHEST_HZ + 1, STEP_HZ)
    share, hz = max((power(window, rate, hz), hz) for hz in candidates)
    return Heard(hz if share >= SHARE else 0, round(share, 3), seconds)


def loud_part(samples: Sequence[int], rate: int) -> Sequence[int]:
    """Return the last tenth of a second that is loud, or nothing."""
    size = rate // 10
    for start in range(len(samples) - size, -1, -size // 2):
        part = samples[start : start + size]
        if math.fsum(float(sample) * sample for sample in part) / size > SILENCE:
            return part
    return ()


def heard_in(path: Path) -> Heard:
    """Return the loudest tone of a WAV file of 16 bits; none for a file without samples."""
    try:
        with wave.open(str(path), "rb") as recording:
            rate = recording.getframerate()
            channels = recording.getnchannels()
            samples = array("h", recording.readframes(recording.getnframes()))
    except (OSError, EOFError, wave.Error):
        return Heard(0, 0.0, 0.0)
    return heard(samples[::channels], rate)
