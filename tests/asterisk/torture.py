"""The messages of RFC 4475 and RFC 5118, by their sections, each with a token in it.

What each tests is the RFC's; hosts are the lab's, and a ``User-Agent`` with the token is added (to
a response too, where it does nothing: a response passes because its flow is known). A message that
lacks a header, repeats one or is broken stays so.
"""

from collections.abc import Callable

SERVER = "203.0.113.10"
SDP = (
    "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n"
    "m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
)
Build = Callable[[str], str]


def _message(
    start: str, *changes: str, drop: str = "", body: str = "", name: str = "x", length: str = ""
) -> str:
    """A message of plain headers; those of ``changes`` replace their namesakes or come on top."""
    method = "INVITE" if start.startswith("SIP/") else start.split(maxsplit=1)[0]
    headers = {
        "Via": f"SIP/2.0/UDP host5.example.com;rport;branch=z9hG4bK{name}",
        "Max-Forwards": "70",
        "From": '"Caller" <sip:caller@example.com>;tag=1928301774',
        "To": f"<sip:user@{SERVER}>",
        "Call-ID": f"{name}.torture@example.com",
        "CSeq": f"8 {method}",
        "Contact": "<sip:caller@host5.example.net>",
    }
    given = [one.partition(":")[::2] for one in changes]
    known = {key.strip().lower() for key, _ in given} | set(drop.lower().split())
    lines = [f"{key}: {value}" for key, value in headers.items() if key.lower() not in known]
    if body:
        lines += ["Content-Type: application/sdp"] if "content-type" not in known else []
    size = length or str(len(body.encode("latin-1")))
    if "content-length" not in known:
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([start, *lines, *changes, "", body])


def _tortuous(name: str) -> str:
    """RFC 4475, 3.1.1.1: everything that the grammar lets be written otherwise."""
    return "\r\n".join(
        [
            f"INVITE sip:vivekg@{SERVER};unknownparam SIP/2.0",
            f"TO :\r\n sip:vivekg@{SERVER} ;   tag    = 1918181833n",
            'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n'
            "  tag = 98asjd8",
            "MaX-fOrWaRdS: 0068",
            f"Call-ID: {name}.ndaksdj@192.0.2.1",
            "Content-Length   : 152",
            "cseq: 0009\r\n  INVITE",
            f"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=z9hG4bK{name}",
            "s :",
            "NewFangledHeader:   newfangled value\r\n continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;",
            "Content-Type: application/sdp",
            f"Route:\r\n <sip:{SERVER};lr;unknownwith=value;unknown-no-value>",
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239",
            'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n'
            "      newvalue ;\r\n"
            "  secondparam ; q = 0.33",
            "",
            SDP,
        ]
    )


def _register(*changes: str, name: str, drop: str = "") -> str:
    return _message(f"REGISTER sip:{SERVER} SIP/2.0", *changes, name=name, drop=drop)


def _invite(*changes: str, name: str, drop: str = "", body: str = SDP, length: str = "") -> str:
    start = f"INVITE sip:user@{SERVER} SIP/2.0"
    return _message(start, *changes, name=name, drop=drop, body=body, length=length)


def _options(*changes: str, name: str, drop: str = "") -> str:
    return _message(f"OPTIONS sip:user@{SERVER} SIP/2.0", *changes, name=name, drop=drop)


_LONG = "long" * 60
_PARTS = (
    "--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9cbec02ceef655\r\n"
    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "0\x82\x01\x52\x06\x09\x2a\x86\x48\x00\xff\r\n--7a9cbec02ceef655--\r\n"
)
#: RFC 4475: name of the file in its archive → the message.
RFC4475: dict[str, Build] = {
    # 3.1.1 valid
    "wsinv": _tortuous,
    "intmeth": lambda n: _message(
        "!interesting-Method0123456789_*+`.%indeed'~ "
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
        f"(doesn't-it)@{SERVER} SIP/2.0",
        'To: "BEL:\x07 NUL:\\\0 DEL:\x7f" <sip:1_unusual.URI~(to-be!sure)@example.com>',
        "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="
        '"\xd1\x80\xd0\xb0\xd0\xb1";tag=_token~1\'+`*%!-.',
        "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
        "extensionHeader-!.%*+_`'~: \xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb", name=n),
    "esc01": lambda n: _message(
        f"INVITE sip:sips%3Auser%40example.com@{SERVER} SIP/2.0",
        "To: sip:%75se%72@example.com", "From: <sip:I%20have%20spaces@example.net>;tag=938",
        "Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        name=n, body=SDP),
    "escnull": lambda n: _register(
        "To: sip:null-%00-null@example.com", "From: sip:null-%00-null@example.com;tag=839923423",
        "Contact: <sip:%00@host5.example.com>", "Contact: <sip:%00%00@host5.example.com>", name=n),
    "esc02": lambda n: _message(
        f"RE%47IST%45R sip:{SERVER} SIP/2.0", 'To: "%Z%45" <sip:resource@example.com>',
        'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23', "CSeq: 234 RE%47IST%45R",
        "Contact: <sip:alias1@host1.example.com>", "C%6Fntact: <sip:alias2@host2.example.com>",
        "Contact: <sip:alias3@host3.example.com>", name=n),
    "lwsdisp": lambda n: _options("From: caller<sip:caller@example.com>;tag=323", name=n),
    "longreq": lambda n: _invite(
        f'To: "I have a user name of {"extreme" * 11} proportion"<sip:user@{SERVER}:6000;'
        f"unknownparam1=very{_LONG}value;longparam{'name' * 25}=shortvalue;very{_LONG}Parameter;"
        "short=name>", f"F: sip:{'amazinglylongcallername' * 6}@example.net;tag=12{'982' * 50}424;"
        f"unknownheaderparam{'name' * 25}=unknownheaderparam{'value' * 15};unknownValuelessparam"
        f"{'name' * 10}", f"Call-ID: {n}.{'really' * 20}longcallid@example.com",
        f"Unknown-{'Long' * 20}-Name: unknown-{'long' * 20}-value; unknown-{'long' * 20}"
        "-parameter-name = unknown-long-parameter-value",
        *(f"Via: SIP/2.0/TCP sip{i}.example.com" for i in range(33, 0, -1)), name=n, drop="From"),
    "dblreq": lambda n: _register(name=n) + _invite(name=f"{n}b"),
    "semiuri": lambda n: _message(
        f"OPTIONS sip:user;par=u%40example.net@{SERVER} SIP/2.0", "To: sip:j_user@example.com",
        "Accept: application/sdp, application/pkcs7-mime, multipart/mixed", name=n),
    "transports": lambda n: _options(
        f"Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bK{n}",
        "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf",
        "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj",
        "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
        "Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee", name=n),
    "mpart01": lambda n: _message(
        f"MESSAGE sip:kumiko@{SERVER} SIP/2.0",
        "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655", name=n, body=_PARTS),
    "unreason": lambda n: _message(
        "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe", name=n, body=SDP),
    "noreason": lambda n: _message("SIP/2.0 100 ", name=n),
    # 3.1.2 invalid
    "badinv01": lambda n: _invite(
        "To: sip:j.user@example.com;;tag=;", "Contact: <sip:caller@x>;;,;,,",
        "Via: SIP/2.0/UDP 192.0.2.15;;,;,,", name=n),
    "clerr": lambda n: _invite(name=n, length="9999"),
    "ncl": lambda n: _invite(name=n, length="-999"),
    "scalar02": lambda n: _register(
        "CSeq: 36893488147419103232 REGISTER", "Max-Forwards: 300",
        "Expires: 10000000000000000000000000000000000000000000",
        "Contact: <sip:user@host129.example.com>;expires=280297596632815", name=n),
    "scalarlg": lambda n: _message(
        "SIP/2.0 503 Service Unavailable", "CSeq: 9292394834772304023312 OPTIONS",
        "Retry-After: 949302838503028349304023988", "Warning: 1812 overture \"In Progress\"",
        name=n),
    "quotbal": lambda n: _invite('To: "Mr. J. User <sip:j.user@example.com>', name=n),
    "ltgtruri": lambda n: _message(f"INVITE <sip:user@{SERVER}> SIP/2.0", name=n, body=SDP),
    "lwsruri": lambda n: _message(f"INVITE sip:user@{SERVER}; lr SIP/2.0", name=n, body=SDP),
    "lwsstart": lambda n: _message(f"INVITE  sip:user@{SERVER}  SIP/2.0", name=n, body=SDP),
    "trws": lambda n: _message(
        f"OPTIONS sip:remote-target@{SERVER} SIP/2.0  ", "CSeq: 8 OPTIONS", name=n),
    "escruri": lambda n: _message(
        f"INVITE sip:user@{SERVER}?Route=%3Csip:example.com%3E SIP/2.0", name=n, body=SDP),
    "baddate": lambda n: _invite("Date: Fri, 01 Jan 2010 16:00:00 EST", name=n),
    "regbadct": lambda n: _register(
        "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E", name=n),
    "badaspec": lambda n: _message(
        f"OPTIONS sip:user@{SERVER} SIP/2.0", 'To: "Watson, Thomas" < sip:t.watson@example.org >',
        name=n),
    "baddn": lambda n: _options("From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43", name=n),
    "badvers": lambda n: _message(
        f"OPTIONS sip:t.watson@{SERVER} SIP/7.0",
        f"Via: SIP/7.0/UDP c.example.com;branch=z9hG4bK{n}", name=n),
    "mismatch01": lambda n: _options("CSeq: 8 INVITE", name=n),
    "mismatch02": lambda n: _message(
        f"NEWMETHOD sip:user@{SERVER} SIP/2.0", "CSeq: 8 INVITE", name=n, body=SDP),
    "bigcode": lambda n: _message("SIP/2.0 4294967301 better not break the receiver", name=n),
    # 3.2 transactions
    "badbranch": lambda n: _options("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK", name=n),
    # 3.3 application
    "insuf": lambda n: _invite(name=n, drop="Call-ID From To"),
    "unkscm": lambda n: _message(
        "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", name=n),
    "novelsc": lambda n: _message("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", name=n),
    "unksm2": lambda n: _register(
        "To: isbn:2983792873", "From: <http://www.example.com>;tag=3234233",
        "Contact: <name:John_Smith>", name=n),
    "bext01": lambda n: _options(
        "Proxy-Require: nothingSupportsThis, nothingSupportsThisEither",
        "Require: nothingSupportsThis, nothingSupportsThisEither", name=n),
    "invut": lambda n: _invite("Content-Type: application/unknownformat", name=n, body="<audio/>"),
    "regaut01": lambda n: _register(
        'Authorization: NoOneKnowsThisScheme opaque-data="here"', name=n),
    "multi01": lambda n: _invite(
        "From: sip:caller@example.com;tag=3413415", "From: sip:other.caller@example.net;tag=2",
        f"Call-ID: {n}a", f"Call-ID: {n}b", "CSeq: 5 INVITE", "CSeq: 59 INVITE",
        "To: sip:user@example.com", "To: sip:other@example.net", "Max-Forwards: 70",
        "Max-Forwards: 5", name=n),
    "mcl01": lambda n: _options(
        "Content-Length: 13", "Content-Length: 5", name=n) + "There's no way",
    "bcast": lambda n: _message(
        "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
        "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23", name=n, body=SDP),
    "zeromf": lambda n: _options("Max-Forwards: 0", name=n),
    "cparam01": lambda n: _register(
        "Contact: sip:+19725552222@gw1.example.net;unknownparam", name=n),
    "cparam02": lambda n: _register(
        "Contact: <sip:+19725552222@gw1.example.net;unknownparam>", name=n),
    "regescrt": lambda n: _register(
        "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>", name=n),
    "sdp01": lambda n: _invite("Accept: text/nobodyKnowsThis", name=n, body=""),
    # 3.4 backward compatibility
    "inv2543": lambda n: _invite(
        "Via: SIP/2.0/UDP iftgw.example.com", "From: <sip:+13035551111@ift.example.net:5060>",
        "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>", name=n, drop="Max-Forwards"),
}  # fmt: skip
_V6SDP = SDP.replace("IN IP4 192.0.2.3", "IN IP6 2001:db8::1").replace(
    "IN IP4 192.0.2.4", "IN IP6 2001:db8::20"
)
#: RFC 5118: its section → the message.
RFC5118: dict[str, Build] = {
    "4.1": lambda n: _message("REGISTER sip:[2001:db8::10] SIP/2.0", "To: sip:user@example.com",
        "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK" + n,
        'Contact: "Caller" <sip:caller@[2001:db8::1]>', name=n),
    "4.2": lambda n: _message("REGISTER sip:2001:db8::10 SIP/2.0", "To: sip:user@example.com",
        "Contact: <sip:caller@[2001:db8::1]>", name=n),
    "4.3": lambda n: _message("REGISTER sip:[2001:db8::10:5070] SIP/2.0",
        "Contact: <sip:caller@[2001:db8::1]>", name=n),
    "4.4": lambda n: _message("REGISTER sip:[2001:db8::10]:5070 SIP/2.0",
        "Contact: <sip:caller@[2001:db8::1]>", name=n),
    "4.5 delimited": lambda n: _options(
        f"Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK{n}", name=n),
    "4.5 bare": lambda n: _options(
        f"Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bK{n}", name=n),
    "4.6": lambda n: _message("INVITE sip:user@[2001:db8::10] SIP/2.0",
        "Contact: <sip:caller@[2001:db8::20]>", name=n, body=_V6SDP),
    "4.7": lambda n: _options(
        f"Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bK{n}",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
        "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200", name=n),
    "4.8": lambda n: _invite(name=n, body=SDP + _V6SDP.partition("t=0 0\r\n")[2].replace(
        "m=video", "c=IN IP6 2001:db8::20\r\nm=video")),
    "4.9": lambda n: _invite("Contact: <sip:user@[::ffff:192.0.2.10]:19823>", name=n,
        body=SDP.replace("IN IP4 192.0.2.4", "IN IP6 ::ffff:192.0.2.4")),
    "4.10": lambda n: _message("OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0",
        "Contact: <sip:caller@[2001:db8:::192.0.2.1]>", name=n),
}  # fmt: skip
MESSAGES = {f"RFC 4475 {name}": made for name, made in RFC4475.items()} | {
    f"RFC 5118 {name}": made for name, made in RFC5118.items()
}


def with_token(text: str, token: str) -> str:
    """The message with a User-Agent that carries the token, after its first line."""
    start, end, rest = text.partition("\r\n")
    return f"{start}{end}User-Agent: Phone {token}\r\n{rest}"
