#!/usr/bin/env python3
"""Writes the files beside it: one text, compressed by other programs than ours. Needs gzip, bzip2, xz, zstd, lz4 and zip; Python 3.11."""
import gzip, os, struct, subprocess, zipfile, zlib

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def text():
    rows = ["id,name,amount,note"]
    seed = 7
    for number in range(400):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        note = '"two\nlines, quoted"' if number % 50 == 7 else "plain" * (seed % 4)
        rows.append(f"{number},name {seed % 997:x},{seed % 100000 / 100},{note}")
    return ("\n".join(rows) + "\n").encode()


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def bgzf_block(data):
    packed = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packed.compress(data) + packed.flush()
    head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def seekable(data, frame_bytes):
    """The seekable format of zstd's contrib directory: frames, then a table of their sizes in a frame that is skipped."""
    frames, table = b"", b""
    for start in range(0, len(data), frame_bytes):
        piece = data[start : start + frame_bytes]
        frame = run(["zstd", "-c", "--no-check"], piece)
        frames += frame
        table += struct.pack("<II", len(frame), len(piece))
    count = len(table) // 8
    return frames + struct.pack("<II", 0x184D2A5E, len(table) + 9) + table + struct.pack("<IBI", count, 0, 0x8F92EAB1)


def put(name, data):
    with open(name, "wb") as file:
        file.write(data)


def put_zip(name, data, method, **more):
    with zipfile.ZipFile(name, "w", method) as archive:
        info = zipfile.ZipInfo("../../etc/plain.csv", (2026, 1, 1, 0, 0, 0))
        info.compress_type = method
        with archive.open(info, "w", **more) as file:
            file.write(data)


plain = text()
third = len(plain) // 3
thirds = [plain[:third], plain[third : 2 * third], plain[2 * third :]]
put("plain.csv", plain)
put("python.gz", gzip.compress(plain, mtime=0))
put("members.gz", b"".join(gzip.compress(part, mtime=0) for part in thirds) + bytes(512))
put("gzip-cli.gz", run(["gzip", "-9c"], plain))
put("blocks.bgzf.gz", b"".join(bgzf_block(plain[at : at + 1000]) for at in range(0, len(plain), 1000)) + bgzf_block(b""))
put("one.bz2", run(["bzip2", "-c"], plain))
put("streams.bz2", b"".join(run(["bzip2", "-c1"], part) for part in thirds))
put("crc64.xz", run(["xz", "-c"], plain))
put("streams-sha256.xz", b"".join(run(["xz", "-c", "--check=sha256", "--block-size=2000"], part) for part in thirds) + bytes(8))
put("checked.zst", run(["zstd", "-c"], plain))
put("frames.zst", b"".join(run(["zstd", "-19", "-c"], part) for part in thirds[:2]) + struct.pack("<II", 0x184D2A53, 3) + b"abc" + run(["zstd", "-c"], thirds[2]))
put("seekable.zst", seekable(plain, 2500))
put("independent.lz4", run(["lz4", "-c", "-B4", "-BX"], plain))
put("linked.lz4", run(["lz4", "-9", "-c", "-B4", "-BD", "--content-size"], plain * 12))
put("frames.lz4", b"".join(run(["lz4", "-c"], part) for part in thirds))
put_zip("deflated.zip", plain, zipfile.ZIP_DEFLATED)
put_zip("stored.zip", plain, zipfile.ZIP_STORED)
put_zip("zip64.zip", plain, zipfile.ZIP_DEFLATED, force_zip64=True)
put("streamed.zip", run(["zip", "-q", "-", "-"], plain))
with zipfile.ZipFile("two.zip", "w") as archive:
    archive.writestr("a.csv", "a\n1\n")
    archive.writestr("b.csv", "a\n2\n")
