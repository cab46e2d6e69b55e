"""Logs its own stack: which of its functions it is in, from when to when, in two threads.

Short and long calls of C functions in random order (zlib, hashlib, json, sorted with a key of ours), arithmetic, recursion, a
generator, sleeps and a lock. Prints `ready PID`, runs until it has used the seconds of CPU time of its first argument (default 3),
60 s at most, then writes to the file of its second one: JSON, by thread id a list of [monotonic ns, function or null], null where the function is left.
"""
import hashlib
import json
import os
import random
import sys
import threading
import time
import zlib

now = time.monotonic_ns
random.seed(7)
TEXT = " ".join(random.choice("abcdefgh") * random.randint(1, 9) for _ in range(30000)).encode()
RECORDS = json.dumps([{"id": i, "words": ["word"] * (i % 7)} for i in range(600)])
NUMBERS = [random.random() for _ in range(8000)]
LOCK = threading.Lock()
LOGS = {}


def digest(log, times):
    log((now(), "digest"))
    for _ in range(times):
        hashlib.sha256(TEXT).digest()
    log((now(), None))


def pack(log, times):
    log((now(), "pack"))
    for _ in range(times):
        zlib.compress(TEXT[:8000], 6)
    log((now(), None))


def parse(log, times):
    log((now(), "parse"))
    for _ in range(times):
        json.loads(RECORDS)
    log((now(), None))


def order(log, times):
    log((now(), "order"))
    for _ in range(times):
        sorted(NUMBERS)
    log((now(), None))


def spell(log, times):
    log((now(), "spell"))
    total = 0
    for i in range(3000 * times):
        total += i * i
    log((now(), None))
    return total


def descend(log, depth):
    log((now(), "descend"))
    if depth > 0:
        descend(log, depth - 1)
    else:
        pack(log, 2)
        spell(log, 2)
    log((now(), None))


def numbers(log):
    log((now(), "numbers"))
    for i in range(3):
        zlib.compress(TEXT[:6000], 6)
        log((now(), None))
        yield i
        log((now(), "numbers"))
    log((now(), None))


def consume(log):
    log((now(), "consume"))
    for _ in numbers(log):
        order(log, 1)
    log((now(), None))


def pause(log, seconds):
    log((now(), "pause"))
    time.sleep(seconds)
    log((now(), None))


def locked(log):
    log((now(), "locked"))
    with LOCK:
        pass
    log((now(), None))


def short_ones(log):
    log((now(), "short_ones"))
    for _ in range(12):
        random.choice((digest, pack, parse, order, spell))(log, 1)
    log((now(), None))


def long_ones(log):
    log((now(), "long_ones"))
    work = random.choice((digest, pack, parse, order, spell))
    work(log, 25)
    log((now(), None))


def waits(log):
    log((now(), "waits"))
    pause(log, random.choice((0.002, 0.012, 0.03)))
    locked(log)
    log((now(), None))


def deep(log):
    log((now(), "deep"))
    descend(log, 6)
    log((now(), None))


def turn(log):
    log((now(), "turn"))
    random.choice((short_ones, short_ones, long_ones, waits, consume, deep))(log)
    log((now(), None))


def helper(over):
    events = LOGS[threading.get_native_id()] = []
    log = events.append
    log((now(), "helper"))
    while not over.is_set():
        with LOCK:
            pause(log, 0.004)
        pack(log, 3)
        pause(log, 0.02)
    log((now(), None))


def main():
    events = LOGS[threading.get_native_id()] = []
    log = events.append
    log((now(), "<module>"))
    log((now(), "main"))
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    end = now() + 60_000_000_000
    over = threading.Event()
    thread = threading.Thread(target=helper, args=(over,))
    thread.start()
    print("ready", os.getpid(), flush=True)
    while time.process_time() < seconds and now() < end:
        turn(log)
    over.set()
    thread.join()
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as file:
            json.dump(LOGS, file)


main()
