"""What the peers in Python share: the lines that they are spoken to with, and values with their types.

A line is a JSON object with a word in "do"; the answer is one line, with "error" where it failed. Values are
[type, value]: null, bool, int, double, decimal, text, bytes (base64), time (seconds since 1970), list and table.
"""
import base64
import calendar
import datetime
import decimal
import json
import sys
import traceback


def to_native(typed):
    kind, value = typed
    if kind == "int":
        return int(value)
    if kind == "double":
        return float(value)
    if kind == "decimal":
        return decimal.Decimal(value)
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "time":
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=int(value))
    if kind == "list":
        return [to_native(item) for item in value]
    if kind == "table":
        return {name: to_native(item) for name, item in value.items()}
    return value


def from_native(value):
    if value is None:
        return ["null", None]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(value)]
    if isinstance(value, float):
        return ["double", repr(value)]
    if isinstance(value, decimal.Decimal):
        return ["decimal", format(value, "f")]
    if isinstance(value, datetime.datetime):
        return ["time", str(calendar.timegm(value.timetuple()))]
    if isinstance(value, dict):
        return ["table", {name: from_native(item) for name, item in value.items()}]
    if isinstance(value, (list, tuple)):
        return ["list", [from_native(item) for item in value]]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["bytes", base64.b64encode(bytes(value)).decode()]
    return ["text", str(value)]


def own(headers):
    """Without those that a library or a broker has added."""
    return {name: value for name, value in (headers or {}).items() if not name.startswith("x-")}


def answer(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def run(verbs):
    """Answers each line with what the verb that it names returns."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer(verbs[asked["do"]](asked) or {})
        except Exception as error:
            traceback.print_exc()
            answer({"error": "%s: %s" % (type(error).__name__, error)})
