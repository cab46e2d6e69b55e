"""Waits of known length, each timed by the program itself: sleeps, a lock that another thread holds, reads of a pipe.

Prints a line of JSON with ns by kind, and ends.
"""
import json
import os
import sys
import threading
import time

LOCK = threading.Lock()
SPENT = {'sleeping': 0, 'locking': 0, 'reading': 0}


def sleeping():
    before = time.monotonic_ns()
    time.sleep(0.01)
    SPENT['sleeping'] += time.monotonic_ns() - before


def locking():
    before = time.monotonic_ns()
    with LOCK:
        SPENT['locking'] += time.monotonic_ns() - before


def reading(end):
    before = time.monotonic_ns()
    os.read(end, 1)
    SPENT['reading'] += time.monotonic_ns() - before


def holder(stop):
    while not stop.is_set():
        with LOCK:
            time.sleep(0.02)
        time.sleep(0.002)


def writer(end, times):
    for _ in range(times):
        time.sleep(0.015)
        os.write(end, b'x')


def main():
    for _ in range(60):
        sleeping()
    stop = threading.Event()
    thread = threading.Thread(target=holder, args=(stop,))
    thread.start()
    for _ in range(30):
        locking()
        time.sleep(0.001)
    stop.set()
    thread.join()
    ends = os.pipe()
    thread = threading.Thread(target=writer, args=(ends[1], 40))
    thread.start()
    for _ in range(40):
        reading(ends[0])
    thread.join()
    print(json.dumps(SPENT), file=sys.stdout, flush=True)


main()
