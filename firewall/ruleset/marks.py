"""The bits of a connmark: whether a flow is proven, and by which token's mark."""

MARK_BITS = 20
FLOW_BIT = 0x40000000  # connmark of a phone's flow; the token's mark is in the low 20 bits
RTP_MARK = 0x20000000  # connmark of RTP whose address proved a token
MARK_MASK = 0x7FFFFFFF
ID_MASK = 0x3FFFFFFF  # a flow that lost its bit still tells whose it was
