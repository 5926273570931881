"""Reads a safetensors file with nothing but the standard library; prints what it holds.

Usage: read_safetensors.py FILE
One line a metadata entry ("# key value") and one a tensor ("name shape numbers"), in file order.
"""

import json
import struct
import sys


def main(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        floats = file.read()
    for key, value in sorted(header.pop("__metadata__", {}).items()):
        print("#", key, value)
    covered = 0
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        assert tensor["dtype"] == "F32" and begin == covered, tensor
        covered = end
        numbers = struct.unpack("<%df" % ((end - begin) // 4), floats[begin:end])
        print(name, tensor["shape"], " ".join(x.hex() for x in numbers))
    assert covered == len(floats), (covered, len(floats))


main(sys.argv[1])
