"""Two functions with a known share of the CPU, a thread that waits for a lock and one that sleeps.

`hot` runs 75 % of the CPU time of the main thread and `warm` 25 %: both do the same work in slices of 3 to 1.
Prints `ready PID`, then runs for the seconds of CPU time of its first argument (default: until it is killed).
"""
import os
import sys
import threading
import time


def hot(rounds):
    total = 0
    for i in range(rounds):
        total += i * i
    return total


def warm(rounds):
    total = 0
    for i in range(rounds):
        total += i * i
    return total


def sleeper():
    while True:
        time.sleep(0.05)


def waiter(lock):
    while True:
        with lock:
            pass


def main():
    lock = threading.Lock()
    lock.acquire()
    threading.Thread(target=sleeper, name="sleeper", daemon=True).start()
    threading.Thread(target=waiter, args=(lock,), name="waiter", daemon=True).start()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1e9
    print("ready", os.getpid(), flush=True)
    end = time.process_time() + seconds
    # Slices of changing length: at a fixed one, sampling at a fixed rate would meet the same few places again and again.
    turn = 0
    while time.process_time() < end:
        rounds = 40000 + turn * 7919 % 40000
        hot(3 * rounds)
        warm(rounds)
        turn += 1


if __name__ == "__main__":
    main()
