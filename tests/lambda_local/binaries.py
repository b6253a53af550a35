"""What a binary must be, so that Lambda can run it: small, stripped, and content with the C library that is there."""

import struct

from .checks import CheckFailed, holds
from .table import table

# A start downloads and unpacks it.
BYTES_MAX = 12_000_000
# Amazon Linux 2023 has this one.
GLIBC_MAX = (2, 34)

SYMBOL_TABLE = 2
NEEDED_VERSIONS = 0x6FFFFFFE


class Binaries:
    """What was built: a table of it, and what is wrong with it, which is said when all else has been tried."""

    def __init__(self, bootstraps):
        looked_at = {name: Binary(path.read_bytes()) for name, path in bootstraps.items()}
        rows = [[name, f"{it.size / 1e6:.2f}", glibc(it.newest_glibc())] for name, it in looked_at.items()]
        self.table = table(["binary", "MB", "newest symbol version"], rows)
        self.problems = []
        for name, binary in looked_at.items():
            try:
                check(name, binary)
            except CheckFailed as problem:
                self.problems.append(str(problem))


def check(name, binary):
    newest = binary.newest_glibc()
    holds(not binary.sections(SYMBOL_TABLE), f"{name} is not stripped: it has a table of symbols")
    # A program that needs none at all is linked statically, which `sam build` does not do.
    holds(newest > (), f"{name} names no version of the C library")
    holds(newest <= GLIBC_MAX, f"{name} needs {glibc(newest)}, and Lambda has {glibc(GLIBC_MAX)}")
    holds(binary.size < BYTES_MAX, f"{name} has {binary.size:,} bytes, and may have {BYTES_MAX:,}")


def glibc(version):
    return "GLIBC_" + ".".join(str(part) for part in version)


class Binary:
    """An ELF file of 64 bits, little-endian: the only kind that Lambda runs."""

    def __init__(self, content):
        self.content, self.size = content, len(content)
        holds(content[:6] == b"\x7fELF\x02\x01", "a bootstrap is no 64-bit little-endian ELF file")
        place, = struct.unpack_from("<Q", content, 0x28)
        size, count = struct.unpack_from("<HH", content, 0x3A)
        # name, type, flags, address, offset, size, link, info, alignment, entry size
        self.headers = [struct.unpack_from("<IIQQQQIIQQ", content, place + size * n) for n in range(count)]

    def sections(self, kind):
        return [header for header in self.headers if header[1] == kind]

    def newest_glibc(self):
        """The newest version of the C library that it needs a symbol of, such as (2, 17)."""
        versions = [it.removeprefix("GLIBC_") for it in self.needed_versions() if it.startswith("GLIBC_")]
        return max((tuple(int(part) for part in version.split(".")) for version in versions), default=())

    def needed_versions(self):
        """The versions of symbols that it needs of other libraries, such as GLIBC_2.17."""
        for _, _, _, _, offset, _, link, libraries, _, _ in self.sections(NEEDED_VERSIONS):
            names = self.headers[link][4]
            for _ in range(libraries):
                _, count, _, first, following = struct.unpack_from("<HHIII", self.content, offset)
                place = offset + first
                for _ in range(count):
                    _, _, _, name, next_version = struct.unpack_from("<IHHII", self.content, place)
                    yield self.text(names + name)
                    place += next_version
                offset += following

    def text(self, place):
        return self.content[place : self.content.index(b"\0", place)].decode()
