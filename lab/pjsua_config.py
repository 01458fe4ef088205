"""How the scripted phone has PJSIP set up: its stack, its socket, its account and its tone."""

from __future__ import annotations

import pjsua2 as pj

CLOCK_HZ = 8000
TRANSPORTS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


def stack(user_agent: str, folder: str) -> pj.EpConfig:
    """All in one thread, sound as it is, the log in ``folder``."""
    config = pj.EpConfig()
    config.uaConfig.userAgent = user_agent
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.clockRate = CLOCK_HZ
    config.medConfig.sndClockRate = CLOCK_HZ
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    config.logConfig.level = 5
    config.logConfig.consoleLevel = 0
    config.logConfig.filename = f"{folder}/pjsua.log"
    return config


def socket(address: str, port: int, ca: str, certificate: str) -> pj.TransportConfig:
    """Where it listens, whom it believes, and by what it proves itself (empty: neither)."""
    options = pj.TransportConfig()
    options.port = port
    options.boundAddress = address
    if certificate:
        options.tlsConfig.certFile = options.tlsConfig.privKeyFile = certificate
    if ca:
        options.tlsConfig.CaListFile = ca
        options.tlsConfig.verifyServer = True
    return options


def tone(hertz: int) -> pj.ToneGenerator:
    """A tone without an end."""
    generator = pj.ToneGenerator()
    generator.createToneGenerator(CLOCK_HZ)
    digit = pj.ToneDesc()
    digit.freq1, digit.freq2, digit.on_msec, digit.off_msec = hertz, 0, 1000, 0
    tones = pj.ToneDescVector()
    tones.append(digit)
    generator.play(tones, True)
    return generator


def account(
    user: str,
    password: str,
    server: str,
    expires: int,
    *,
    transport: str,
    address: str,
    roams: bool,
    session_seconds: int,
) -> pj.AccountConfig:
    """The account of ``user``; with an empty password it never registers."""
    config = pj.AccountConfig()
    suffix = "" if transport == "udp" else f";transport={transport}"
    config.idUri = f"sip:{user}@{server}"
    if password:
        config.regConfig.registrarUri = f"sip:{server}{suffix}"
        config.regConfig.timeoutSec = expires
        config.regConfig.retryIntervalSec = 0
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    config.natConfig.contactRewriteUse = int(roams)
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sdpNatRewriteUse = 0
    config.natConfig.udpKaIntervalSec = 0
    if transport == "tls":
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
        config.mediaConfig.srtpSecureSignaling = 1
    if session_seconds:
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
        config.callConfig.timerMinSESec = session_seconds
        config.callConfig.timerSessExpiresSec = session_seconds
    config.mediaConfig.transportConfig.boundAddress = address
    return config
