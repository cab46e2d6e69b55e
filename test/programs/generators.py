"""A generator that is resumed all the time: its frame is linked to its caller and unlinked again at every turn.

Prints `ready PID`, then runs until it is killed.
"""
import os


def square(x):
    return x * x % 7


def hot():
    return sum(square(i) for i in range(3000))


def main():
    print("ready", os.getpid(), flush=True)
    while True:
        hot()


main()
