"""CRC-32C (Castagnoli), fast enough for some megabytes without a package for it."""

import struct

LANES, LANE = 256, 64


def _step_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _step_table()
# What becomes of each byte of a checksum's four, one by one.
COLUMNS = [bytes(entry >> shift & 0xFF for entry in TABLE) for shift in (0, 8, 16, 24)]


def _plain(crc, data):
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


# What becomes of each byte of a checksum when as many zeros follow as a lane is long.
AHEAD = [[_plain(byte << shift, bytes(LANE)) for byte in range(256)] for shift in (0, 8, 16, 24)]


def crc32c(data):
    crc, size = 0xFFFFFFFF, LANES * LANE
    for at in range(0, len(data) - size + 1, size):
        for lane in _lanes(data[at : at + size]):
            a, b, c, d = AHEAD
            crc = a[crc & 0xFF] ^ b[crc >> 8 & 0xFF] ^ c[crc >> 16 & 0xFF] ^ d[crc >> 24] ^ lane
    return _plain(crc, data[len(data) // size * size :]) ^ 0xFFFFFFFF


def _lanes(data):
    """The checksums, begun with 0, of pieces that lie one behind the other: all of them at once, a byte of each at a time."""
    a = b = c = d = 0
    for at in range(LANE):
        index = (int.from_bytes(data[at::LANE], "little") ^ a).to_bytes(LANES, "little")
        a, b, c, d = (int.from_bytes(index.translate(column), "little") ^ next for column, next in zip(COLUMNS, (b, c, d, 0)))
    every = zip(*(byte.to_bytes(LANES, "little") for byte in (a, b, c, d)))
    return [lane[0] for lane in struct.iter_unpack("<I", bytes(byte for lane in every for byte in lane))]
