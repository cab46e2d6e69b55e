"""Main thread: busy 100 ms, then asleep 300 ms, again and again: a quarter of its time is CPU time. A second thread is
busy all the time but waits for the interpreter's lock whenever the first one runs.

Prints `ready PID`, then runs for the seconds of its first argument (default: until it is killed).
"""
import hashlib
import os
import sys
import threading
import time

BLOCK = b"x" * 4_000_000


def hashing():
    # Releases the interpreter's lock, so that it is busy beside the main thread.
    while True:
        hashlib.sha256(BLOCK).digest()


def burst(seconds):
    end = time.monotonic() + seconds
    total = 0
    while time.monotonic() < end:
        total += 1
    return total


def rest(seconds):
    time.sleep(seconds)


def main():
    threading.Thread(target=hashing, name="hashing", daemon=True).start()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1e9
    print("ready", os.getpid(), flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        burst(0.1)
        rest(0.3)


if __name__ == "__main__":
    main()
