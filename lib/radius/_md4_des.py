"""MD4 and DES, which MS-CHAPv2 needs and no library offers wherever SPS runs.

OpenSSL 3 disables MD4, and in FIPS mode DES too. `cryptography` has no MD4, moves TripleDES between versions and takes
5 to 12 ms for its first block even if it is imported; DES in Python takes 2 ms, compilation included. The test vectors
of both standards and a comparison with OpenSSL prove this code.
"""

import struct
from typing import Callable, Sequence, Tuple

# MD4, RFC 1320 section 3.4: the function, constant, order of words and shifts of each round
_MD4_ROUNDS: Tuple[Tuple[Callable[[int, int, int], int], int, Sequence[int], Sequence[int]], ...] = (
    (lambda x, y, z: x & y | ~x & z, 0, range(16), (3, 7, 11, 19)),
    (
        lambda x, y, z: x & y | x & z | y & z,
        0x5A827999,
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        (3, 5, 9, 13),
    ),
    (
        lambda x, y, z: x ^ y ^ z,
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
    ),
)


def md4(message: bytes) -> bytes:
    """Return the 16 octets of the MD4 of a message (RFC 1320)."""
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + struct.pack("<Q", 8 * len(message))
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    for words in struct.iter_unpack("<16I", padded):
        a, b, c, d = state
        for function, constant, order, shifts in _MD4_ROUNDS:
            for step, word in enumerate(order):
                turned = _rotate(a + function(b, c, d) + words[word] + constant, shifts[step % 4], 32)
                a, b, c, d = d, turned, b, c
        state = (state[0] + a, state[1] + b, state[2] + c, state[3] + d)
    return struct.pack("<4I", *(number & 0xFFFFFFFF for number in state))


# DES, FIPS 46-3. Tables count bits from 1, the most significant, as the standard does.
_DES_IP = tuple(first - 8 * step for first in (58, 60, 62, 64, 57, 59, 61, 63) for step in range(8))
_DES_IP_INVERSE = tuple(first - step for step in range(8) for first in (40, 8, 48, 16, 56, 24, 64, 32))
_DES_E = tuple((4 * box + step) % 32 + 1 for box in range(8) for step in range(-1, 5))
# fmt: off
_DES_P = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)
_DES_PC1 = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
    10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
    14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)
_DES_PC2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10,
    23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48,
    44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)
# fmt: on
_DES_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_DES_S = (  # one box a line, one hexadecimal digit an entry, the four rows one after another
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)


def des_key(octets: bytes) -> bytes:
    """Return the DES key of 7 octets: 8 octets of seven bits and odd parity (RFC 2759 section 8.6)."""
    sevens = (int.from_bytes(octets, "big") >> shift & 0x7F for shift in range(49, -1, -7))
    return bytes(seven << 1 | (bin(seven).count("1") + 1) % 2 for seven in sevens)


def des(key: bytes, block: bytes) -> bytes:
    """Return 8 octets encrypted with DES (FIPS 46-3); the parity bits of the 8-octet key are ignored."""
    chosen = _bits(int.from_bytes(key, "big"), 64, _DES_PC1)
    c, d = chosen >> 28, chosen & 0xFFFFFFF
    mixed = _bits(int.from_bytes(block, "big"), 64, _DES_IP)
    left, right = mixed >> 32, mixed & 0xFFFFFFFF
    for shift in _DES_SHIFTS:
        c, d = _rotate(c, shift, 28), _rotate(d, shift, 28)
        sixes = _bits(right, 32, _DES_E) ^ _bits(c << 28 | d, 56, _DES_PC2)
        fours = 0
        for box, place in zip(_DES_S, range(42, -1, -6)):
            six = sixes >> place & 0x3F
            # The outer bits are the row, the inner four the column.
            fours = fours << 4 | int(box[six & 0x20 | (six & 1) << 4 | six >> 1 & 0xF], 16)
        left, right = right, left ^ _bits(fours, 32, _DES_P)
    return _bits(right << 32 | left, 64, _DES_IP_INVERSE).to_bytes(8, "big")


def _bits(number: int, width: int, table: Sequence[int]) -> int:
    """Return the bits of a number that a table lists, in the order of the table; `width` is the size of the number."""
    result = 0
    for bit in table:
        result = result << 1 | number >> width - bit & 1
    return result


def _rotate(number: int, shift: int, width: int) -> int:
    """Return the lowest `width` bits of a number, rotated to the left."""
    mask = (1 << width) - 1
    number &= mask
    return (number << shift | number >> width - shift) & mask
