"""A training loop that waits in __next__ on two worker processes. While it waits there, the workers only decode; they shuffle when
they are told to, while the main thread computes and then waits in settle. Prints "ready", then runs until it is killed, or for as
many steps as its first argument says. With a second argument "sleep" they sleep instead of working: steps of 110 ms on any machine.

With FLAMEBENCH_MARKS set it tells its steps.
"""
import ctypes
import mmap
import multiprocessing
import os
import sys
import time

DECODE_MS, SHUFFLE_MS, STEP_MS = 60, 40, 50
WORKERS = 2
SLEEPS = sys.argv[2:] == ['sleep']


def decode(index):
    """CPU time, not wall time: on a busy machine the work stays the same. Each has a loop of its own, so that the leaf tells which it is."""
    if SLEEPS:
        return time.sleep(DECODE_MS / 1000)
    until = time.thread_time() + DECODE_MS / 1000
    total = 0
    while time.thread_time() < until:
        for i in range(2000):
            total += i * i
    return total


def shuffle(index):
    if SLEEPS:
        return time.sleep(SHUFFLE_MS / 1000)
    until = time.thread_time() + SHUFFLE_MS / 1000
    total = 0
    while time.thread_time() < until:
        for i in range(2000):
            total ^= i * 7
    return total


def _worker_loop(requests, results):
    # A main process that is killed takes its workers with it (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, 9)
    work = {'decode': decode, 'shuffle': shuffle}
    while True:
        what, index = requests.get()
        results.put(work[what](index))


class Loader:
    def __init__(self):
        context = multiprocessing.get_context('fork')
        self.results = context.SimpleQueue()
        self.requests = [context.SimpleQueue() for _ in range(WORKERS)]
        for requests in self.requests:
            context.Process(target=_worker_loop, args=(requests, self.results), daemon=True).start()
        self.index = 0

    def __iter__(self):
        return self

    def tell(self, what):
        for requests in self.requests:
            requests.put((what, self.index))

    def __next__(self):
        self.tell('decode')
        self.index += 1
        return [self.results.get() for _ in self.requests]

    def settle(self):
        for _ in self.requests:
            self.results.get()


def train_step(batch):
    # Memory that the kernel has to give anew each time, and that is touched.
    with mmap.mmap(-1, 8 << 20) as activations:
        for page in range(0, len(activations), 4096):
            activations[page] = 1
    if SLEEPS:
        return time.sleep(STEP_MS / 1000)
    until = time.thread_time() + STEP_MS / 1000
    total = 0
    while time.thread_time() < until:
        for i in range(2000):
            total += i % 5
    return total


def main(steps):
    loader = Loader()
    marks = os.environ.get('FLAMEBENCH_MARKS')
    told = open(marks, 'a', buffering=1) if marks else None
    for step, batch in enumerate(loader):
        if told:
            print(f'@{time.monotonic_ns()} batch {step}', file=told)
        loader.tell('shuffle')
        train_step(batch)
        loader.settle()
        if step == 0:
            print('ready', flush=True)
        if step + 1 == steps:
            return


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
