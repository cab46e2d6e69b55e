"""A training loop that waits in __next__ on two worker processes. While it waits there, the workers only decode; they shuffle when
they are told to, while the main thread computes and then waits in settle. Prints "ready", then runs until it is killed, or for as
many steps as its first argument says. With a second argument "sleep" they sleep instead of working: steps of 110 ms on any machine.

With FLAMEBENCH_MARKS set it tells its steps.
"""
import multiprocessing
import os
import sys
import time

DECODE_MS, SHUFFLE_MS, STEP_MS = 60, 40, 50
WORKERS = 2
SLEEPS = sys.argv[2:] == ['sleep']


def busy(ms):
    """CPU time, not wall time: on a busy machine the work stays the same."""
    if SLEEPS:
        return time.sleep(ms / 1000)
    until = time.thread_time() + ms / 1000
    total = 0
    while time.thread_time() < until:
        total += sum(i * i for i in range(300))
    return total


def decode(index):
    return busy(DECODE_MS)


def shuffle(index):
    return busy(SHUFFLE_MS)


def _worker_loop(requests, results):
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
    return busy(STEP_MS)


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
