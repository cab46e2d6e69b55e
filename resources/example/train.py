"""A small program that looks like a training run: pure standard library, so that it runs on any Python 3.8 or later.

One thread trains, two load data, one writes a log. Where the time goes is known, so that a newcomer can compare:
of the main thread's computing, forward() takes the most, then backward(), then optimizer_step();
the loaders wait for their "disk" most of the time, decode for the rest, and share one lock.

    python3 train.py [SECONDS]        default: until stopped
"""
import math
import queue
import sys
import threading
import time

SIZE = 48
statistics_lock = threading.Lock()
statistics = {"loaded": 0, "steps": 0}


def make_matrix(seed):
    return [[math.sin(seed + row * SIZE + column) for column in range(SIZE)] for row in range(SIZE)]


def multiply_row(row, weights):
    return [sum(map(lambda a, b: a * b, row, column)) for column in weights]


def matrix_multiply(batch, weights):
    return [multiply_row(row, weights) for row in batch]


def forward(batch, weights):
    hidden = matrix_multiply(batch[:24], weights)
    return matrix_multiply(hidden[:16], weights)


def backward(outputs, weights):
    return matrix_multiply(outputs[:16], weights)


def optimizer_step(weights, gradients, rate=1e-6):
    for row, gradient in zip(weights, gradients):
        for column in range(len(gradient)):
            row[column] -= rate * gradient[column]


def wait_for_disk():
    time.sleep(0.02)


def decode_image(number):
    value = number
    for _ in range(6000):
        value = (value * 1103515245 + 12345) % 2147483648
    return value


def allocate_batch(seed):
    copies = [bytearray(4096) for _ in range(64)]
    matrix = make_matrix(seed)
    copies.clear()
    return matrix


def count(what):
    with statistics_lock:
        statistics[what] += 1
        # Held for a moment on purpose: the other loader waits here.
        time.sleep(0.001)


def load_one(number):
    wait_for_disk()
    decode_image(number)
    return allocate_batch(number)


def data_loader(batches, stop, first):
    number = first
    while not stop.is_set():
        batch = load_one(number)
        count("loaded")
        number += 2
        while not stop.is_set():
            try:
                batches.put(batch, timeout=0.1)
                break
            except queue.Full:
                continue


def write_log(stop):
    while not stop.wait(1.0):
        print(f"step {statistics['steps']}, {statistics['loaded']} batches loaded", flush=True)


def train_one_step(batches, weights):
    batch = batches.get()
    outputs = forward(batch, weights)
    gradients = backward(outputs, weights)
    optimizer_step(weights, gradients)
    statistics["steps"] += 1


def main(seconds):
    stop = threading.Event()
    batches = queue.Queue(maxsize=4)
    weights = make_matrix(1)
    threads = [threading.Thread(target=data_loader, args=(batches, stop, first), name=f"loader-{first}") for first in (0, 1)]
    threads.append(threading.Thread(target=write_log, args=(stop,), name="log"))
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            train_one_step(batches, weights)
    except KeyboardInterrupt:
        print("stopped")
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else math.inf)
