"""Asks other detectors what they make of files: reads JSON lines {"path", "bytes"?} on stdin, answers one JSON line each.

With `encodings DIR FILE` it writes the texts of FILE in their encodings to DIR instead, and an index of them.
"""

import contextlib
import csv
import json
import os
import signal
import sys
import unicodedata

SAMPLE = 1 << 20
LIMIT_SECONDS = 20


class TooSlow(Exception):
    pass


def stop(_number, _frame):
    raise TooSlow()


def text_of(path, encoding):
    with open(path, "rb") as file:
        return file.read(SAMPLE).decode(encoding, errors="replace").removeprefix("\ufeff")


def sniffer(path, encoding):
    text = text_of(path, encoding)
    found = csv.Sniffer().sniff(text)
    answer = {"delimiter": found.delimiter, "quoteChar": found.quotechar or ""}
    with contextlib.suppress(csv.Error):
        answer["header"] = csv.Sniffer().has_header(text)
    return answer


def clever(path, encoding):
    import clevercsv

    found = clevercsv.Sniffer().sniff(text_of(path, encoding), verbose=False)
    if found is None:
        return {}
    answer = {"delimiter": found.delimiter, "quoteChar": found.quotechar}
    with contextlib.suppress(Exception):
        answer["header"] = clevercsv.Sniffer().has_header(text_of(path, encoding))
    return answer


def duck(path, encoding):
    import duckdb

    plain = path
    if encoding not in ("utf-8", "utf-8-sig"):
        # DuckDB is not asked for the encoding: it gets the text as UTF-8.
        plain = f"/tmp/millrace-peer-{os.getpid()}.csv"
        with open(plain, "w", encoding="utf-8", newline="") as file:
            file.write(text_of(path, encoding))
    row = duckdb.execute("SELECT Delimiter, Quote, HasHeader FROM sniff_csv(?)", [plain]).fetchone()
    none = ("", "(empty)", "\0", None)
    return {"delimiter": "" if row[0] in none else row[0], "quoteChar": "" if row[1] in none else row[1], "header": row[2]}


def with_chardet(path):
    import chardet

    with open(path, "rb") as file:
        return chardet.detect(file.read(SAMPLE))["encoding"]


def with_normalizer(path):
    import charset_normalizer

    best = charset_normalizer.from_path(path).best()
    return best.encoding if best else None


def ask(act):
    signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
    try:
        return act()
    except Exception as error:  # Whatever a peer fails with, it has no answer.
        return {"failed": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def answer_all():
    signal.signal(signal.SIGALRM, stop)
    dialects = {"python csv.Sniffer": sniffer, "CleverCSV": clever, "DuckDB sniff_csv": duck}
    encodings = {"chardet": with_chardet, "charset-normalizer": with_normalizer}
    for line in sys.stdin:
        wanted = json.loads(line)
        path = wanted["path"]
        if wanted["ask"] == "dialect":
            answers = {name: ask(lambda: act(path, wanted["encoding"])) for name, act in dialects.items()}
        else:
            answers = {name: ask(lambda: same_text(path, act(path), wanted["encoding"])) for name, act in encodings.items()}
        print(json.dumps({"path": path, "answers": answers}), flush=True)


def same_text(path, found, truth):
    """A name is right when it gives the right text, whatever it is called."""
    if found is None:
        return {"failed": "no answer"}
    # The Encoding Standard's names that Python does not know.
    known = {"windows-874": "cp874", "iso-8859-8-i": "iso-8859-8", "x-mac-cyrillic": "mac-cyrillic", "macintosh": "mac-roman"}.get(found, found)
    with open(path, "rb") as file:
        raw = file.read()
    try:
        return {"encoding": found, "right": raw.decode(known).removeprefix("\ufeff") == raw.decode(truth).removeprefix("\ufeff")}
    except (LookupError, UnicodeDecodeError):
        return {"encoding": found, "right": False}


def judge():
    """Whether two names decode a file alike: for the answers of our own detector."""
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(same_text(wanted["path"], wanted["found"], wanted["encoding"])), flush=True)


def write_encodings(directory, texts):
    with open(texts, encoding="utf-8") as file:
        languages = json.load(file)
    os.makedirs(directory, exist_ok=True)
    index = []
    for language in languages:
        sentences = language["sentences"]
        for encoding in language["encodings"]:
            for count in (1, 3, len(sentences)):
                rows = [f"{number + 1};{'x' * (number % 3)};{sentence}" for number, sentence in enumerate(sentences[:count])]
                text = unicodedata.normalize("NFC", "id;code;text\n" + "\n".join(rows) + "\n")
                path = os.path.join(directory, f"{language['name']}-{encoding}-{count}.csv")
                with open(path, "wb") as file:
                    file.write(text.encode(encoding))
                index.append({"path": path, "encoding": encoding, "language": language["name"], "sentences": count})
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)


if sys.argv[1:2] == ["encodings"]:
    write_encodings(sys.argv[2], sys.argv[3])
elif sys.argv[1:2] == ["judge"]:
    judge()
else:
    answer_all()
