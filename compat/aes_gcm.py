"""AES-256-GCM in a few lines (FIPS 197, NIST SP 800-38D), for small data: the suite needs no package for it."""

import hmac


def _multiply(a, b):
    """In the field of AES."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _rotated(byte, by):
    return (byte << by | byte >> (8 - by)) & 0xFF


def _substitutes():
    box = []
    for byte in range(256):
        inverse = next((other for other in range(256) if _multiply(byte, other) == 1), 0)
        box.append(inverse ^ _rotated(inverse, 1) ^ _rotated(inverse, 2) ^ _rotated(inverse, 3) ^ _rotated(inverse, 4) ^ 0x63)
    return box


BOX = _substitutes()
DOUBLE = [_multiply(byte, 2) for byte in range(256)]
ROUNDS = 14


def _round_keys(key):
    words = [list(key[at : at + 4]) for at in range(0, 32, 4)]
    constant = 1
    for at in range(8, 4 * (ROUNDS + 1)):
        word = words[-1]
        if at % 8 == 0:
            word = [BOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = DOUBLE[constant]
        elif at % 8 == 4:
            word = [BOX[byte] for byte in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    return [sum(words[at : at + 4], []) for at in range(0, len(words), 4)]


def _mixed(state):
    mixed = []
    for at in range(0, 16, 4):
        column = state[at : at + 4]
        every = column[0] ^ column[1] ^ column[2] ^ column[3]
        mixed += [byte ^ every ^ DOUBLE[byte ^ column[(i + 1) % 4]] for i, byte in enumerate(column)]
    return mixed


def _encrypt_block(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for at in range(1, ROUNDS + 1):
        # The rows are shifted: byte i of a column comes from the column i places on.
        state = [BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        state = [a ^ b for a, b in zip(_mixed(state) if at < ROUNDS else state, keys[at])]
    return bytes(state)


def _hash(subkey, *parts):
    """GHASH of the parts, each filled with zeros to whole blocks, and their lengths in bits."""
    whole = b"".join(part + bytes(-len(part) % 16) for part in parts)
    whole += b"".join((8 * len(part)).to_bytes(8, "big") for part in parts)
    total, subkey = 0, int.from_bytes(subkey, "big")
    for at in range(0, len(whole), 16):
        left, total, power = total ^ int.from_bytes(whole[at : at + 16], "big"), 0, subkey
        for bit in range(127, -1, -1):
            if left >> bit & 1:
                total ^= power
            power = power >> 1 ^ (0xE1 << 120 if power & 1 else 0)
    return total.to_bytes(16, "big")


def open_sealed(key, nonce, sealed, tag, associated):
    """What was sealed, or ValueError if the tag is not its tag."""
    keys = _round_keys(key)
    pad = lambda count: _encrypt_block(keys, nonce + count.to_bytes(4, "big"))
    expected = _hash(_encrypt_block(keys, bytes(16)), associated, sealed)
    if not hmac.compare_digest(bytes(a ^ b for a, b in zip(expected, pad(1))), tag):
        raise ValueError("the tag does not belong to the data")
    stream = b"".join(pad(2 + at // 16) for at in range(0, len(sealed), 16))
    return bytes(a ^ b for a, b in zip(sealed, stream))
