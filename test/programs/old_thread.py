"""A thread that is there at attach ends after the seconds of the first argument; the main thread stays busy.

Prints `ready PID` when both run.
"""
import os
import sys
import threading
import time


def short_life(seconds):
    time.sleep(seconds)


threading.Thread(target=short_life, args=(float(sys.argv[1]),), daemon=True).start()
print("ready", os.getpid(), flush=True)
while True:
    sum(i * i for i in range(10000))
