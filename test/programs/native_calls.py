"""Named functions that spend their time in C: `digest` in hashlib, `pack` in zlib, `parse` in json, and `spell` in itself.

Each has a quarter of the CPU time of the main thread: a turn runs one of them until it has used 40 ms of CPU time. A thread
`helper` does the same with `help_pack` for a fifth of its time. Prints `ready PID`, then runs for the seconds of its first
argument (default: until it is killed).
"""
import hashlib
import json
import os
import random
import sys
import threading
import time
import zlib

random.seed(1)
WORDS = [random.choice("abcdefgh") * random.randint(1, 9) for _ in range(20000)]
TEXT = " ".join(WORDS).encode()
RECORDS = json.dumps([{"id": i, "words": WORDS[i:i + 5]} for i in range(400)])


def digest():
    hashlib.sha256(TEXT).digest()


def pack():
    zlib.compress(TEXT[:20000], 6)


def parse():
    json.loads(RECORDS)


def spell():
    total = 0
    for i in range(4000):
        total += i * i
    return total


def help_pack():
    zlib.compress(TEXT[:20000], 6)


def turn(work):
    end = time.thread_time() + 0.04
    while time.thread_time() < end:
        work()


def helper():
    while True:
        turn(help_pack)
        time.sleep(0.16)


def main():
    threading.Thread(target=helper, name="helper", daemon=True).start()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1e9
    print("ready", os.getpid(), flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for work in (digest, pack, parse, spell):
            turn(work)


if __name__ == "__main__":
    main()
