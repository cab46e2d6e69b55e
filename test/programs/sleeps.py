"""Sleeps of known length in `doze`, with a little work between them. Prints one line of JSON: ns by its own clock."""
import json
import sys
import time

SPENT = {"doze": 0, "times": 0}


def doze(seconds):
    before = time.monotonic_ns()
    time.sleep(seconds)
    SPENT["doze"] += time.monotonic_ns() - before
    SPENT["times"] += 1


def work():
    return sum(i * i for i in range(3000))


def main():
    end = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 3)
    while time.monotonic() < end:
        doze(0.012)
        work()
        doze(0.005)
    print(json.dumps(SPENT), flush=True)


main()
