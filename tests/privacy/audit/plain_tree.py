"""RFC 6962 a second time, word by word as its section 2.1 is written; nothing of ours is imported.

Slow and recursive on purpose: it shares neither code nor method with what it checks.
"""

import hashlib


def h(data: bytes) -> bytes:
    return hashlib.new("sha256", data).digest()


def mth(d: list[bytes]) -> bytes:
    if not d:
        return h(b"")
    if len(d) == 1:
        return h(bytes([0]) + d[0])
    k = cut(len(d))
    return h(bytes([1]) + mth(d[:k]) + mth(d[k:]))


def path(m: int, d: list[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = cut(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def proof(m: int, d: list[bytes]) -> list[bytes]:
    return subproof(m, d, True)


def subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    n = len(d)
    if m == n:
        return [] if b else [mth(d)]
    k = cut(n)
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


def cut(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k
