# Flamebench's helper inside a Python that it launches, for places where nothing may look at a process from outside.
#
# Python imports `sitecustomize` when it starts. This one comes first on PYTHONPATH, does its work, takes itself off sys.path, and imports the next
# one: the user's own, or none. It works by two variables, and does nothing without them:
#   FLAMEBENCH_PTRACER=1   lets any process of this user attach (Yama's ptrace_scope 1), so that py-spy may look
#   FLAMEBENCH_PYTHON=DIR  samples sys._current_frames() and writes to the FIFO in DIR
# Both variables and PYTHONPATH stay in os.environ as they are: that is how ranks and loaders come to have it too.
#
# What it writes is described in core/read/python-helper.ts. Rules here: nothing may break, slow or be seen by the program. No output, no module that
# the program would not have had (only built-in ones and those that Python has loaded by itself), no file descriptor that stays open, no thread while
# a fork happens, no signal taken. Every error is swallowed, counted, and told in the stream. The syntax is that of Python 2 and 3.
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
# From Linux's prctl.h: "Yama", and any process.
_PR_SET_PTRACER = 0x59616d61
_ANY = -1
# A write of at most this many bytes to a FIFO is whole (PIPE_BUF).
_CHUNK = 4000
_FLUSH_NS = 100000000
# More frames or stacks than this, and the tables begin anew.
_MOST_ROWS = 20000
_MOST_DEPTH = 400
# Share of the time that our own thread may take.
_MOST_COST = 0.02
_LEAST_HZ = 5.0
# All but the two that the C library keeps for itself.
_SIGNALS = [number for number in range(1, 65) if number not in (32, 33)]


def _let_trace():
    import ctypes
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANY & 0xFFFFFFFFFFFFFFFF), 0, 0, 0)


class _Sampler(object):
    def __init__(self, folder):
        import _thread
        import _signal
        import time
        self.thread = _thread
        self.signal = _signal
        self.clock = time.monotonic_ns
        self.sleep = time.sleep
        self.fifo = os.path.join(folder, 'fifo')
        self.rate_file = os.path.join(folder, 'rate')
        self.over = False
        self.fresh()

    def fresh(self):
        """As a process begins: at the start, and in a child after a fork."""
        self.pid = os.getpid()
        self.main = self.thread.get_ident()
        self.stopping = False
        self.wake = None
        self.done = None
        self.tid = 0
        self.hz = 0.0
        self.asked = 0.0
        self.errors = 0
        self.error = ''
        self.dropped = 0
        self.cost = 0.0
        self.begin()

    def begin(self):
        """All that was said before is forgotten: a chunk was lost, or the tables are full."""
        self.frames = {}
        self.lines_of = {}
        self.codes = {}
        self.stacks = {}
        self.names = {}
        self.last = {}
        self.at = 0
        self.new = True
        self.out = []
        self.size = 0

    # Starting and ending.

    def start(self):
        """Starts the thread, with all signals blocked in it: they are the program's."""
        if self.over or self.done is not None:
            return
        if not self.read_rate():
            self.over = True
            return
        self.stopping = False
        self.wake = self.thread.allocate_lock()
        self.wake.acquire()
        self.done = self.thread.allocate_lock()
        self.done.acquire()
        old = self.signal.pthread_sigmask(self.signal.SIG_BLOCK, _SIGNALS)
        try:
            self.thread.start_new_thread(self.run, (self.wake, self.done))
        except BaseException:
            self.done = None
            raise
        finally:
            self.signal.pthread_sigmask(self.signal.SIG_SETMASK, old)

    def stop(self):
        """Ends the thread and waits until the kernel has forgotten it, for a tenth of a second at most."""
        done = self.done
        if done is None:
            return
        self.stopping = True
        self.wake.release()
        if done.acquire(True, 0.1):
            path = '/proc/self/task/%d' % self.tid
            for _ in range(40):
                if self.tid == 0 or not os.path.exists(path):
                    break
                self.sleep(0.00005)
        self.done = None

    def before_fork(self):
        try:
            self.stop()
        except BaseException as error:
            self.fail(error)

    def after_fork(self):
        try:
            self.start()
        except BaseException as error:
            self.fail(error)

    def in_child(self):
        try:
            self.fresh()
            self.start()
        except BaseException as error:
            self.fail(error)

    def at_exit(self):
        try:
            self.stop()
            self.over = True
            if not self.new:
                self.line('q')
                self.flush()
        except BaseException as error:
            self.fail(error)

    def fail(self, error):
        self.errors += 1
        self.error = type(error).__name__

    # The thread.

    def run(self, wake, done):
        try:
            self.tid = getattr(self.thread, 'get_native_id', lambda: 0)()
            if not self.new:
                self.line('o %d' % self.tid)
            self.loop(wake)
        except BaseException as error:
            self.fail(error)
        finally:
            done.release()

    def loop(self, wake):
        now = self.clock()
        turn = now
        flushed = looked = now
        seed = self.pid
        while not self.stopping and not self.over:
            hz = self.hz
            # Around the period, not at it: a program with a period of its own would always be met at the same place.
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            turn += int(1e9 / (hz if hz > 0 else 10) * (0.75 + 0.5 * seed / 0x7FFFFFFF))
            now = self.clock()
            if turn < now:
                turn = now
            if wake.acquire(True, (turn - now) / 1e9):
                break
            now = self.clock()
            if hz > 0:
                try:
                    self.tick(now)
                except Exception as error:
                    self.fail(error)
                self.limit(self.clock() - now)
            if now - flushed > _FLUSH_NS:
                flushed = now
                self.flush()
            if now - looked > 500000000:
                looked = now
                if not self.read_rate():
                    self.over = True
        self.flush()

    def limit(self, took):
        """Halves the rate where our own turns take too much time."""
        self.cost += (took - self.cost) * 0.05
        if self.hz > _LEAST_HZ and self.cost * self.hz > _MOST_COST * 1e9:
            self.hz = max(_LEAST_HZ, self.hz / 2)
            self.cost = 0.0
            self.line('h %g' % self.hz)

    def read_rate(self):
        """The rate that is wanted; no file means that nobody listens any more."""
        try:
            file = os.open(self.rate_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            asked = float(os.read(file, 32) or 0)
        finally:
            os.close(file)
        if asked != self.asked:
            self.asked = self.hz = asked
        return True

    def tick(self, now):
        if len(self.frames) > _MOST_ROWS or len(self.stacks) > _MOST_ROWS:
            self.flush()
            self.begin()
        if self.new:
            self.new = False
            self.at = now
            self.line('r %d %g %d %d.%d' % (now, self.hz, self.tid, sys.version_info[0], sys.version_info[1]))
        me = self.thread.get_ident()
        threading = sys.modules.get('threading')
        known = getattr(threading, '_active', None) or {}
        current = sys._current_frames()
        try:
            self.line('t %d' % ((now - self.at) // 1000))
            self.at += (now - self.at) // 1000 * 1000
            seen = {}
            for ident in current:
                if ident == me:
                    continue
                thread = known.get(ident)
                # The first one's number is the process's; after a fork Python may still say the parent's.
                tid = self.pid if ident == self.main else getattr(thread, 'native_id', None) or 0
                if tid == 0:
                    # Not one of `threading`, or a Python that does not tell.
                    tid = -(ident % 1000000007)
                stack = self.stack(current[ident])
                seen[tid] = stack
                if self.last.get(tid) != stack:
                    self.line('c %d %d' % (tid, stack))
                if thread is not None:
                    name = thread._name
                    if self.names.get(tid) is not name:
                        self.names[tid] = name
                        self.line('n %d %s' % (tid, _plain(name)))
            for tid in self.last:
                if tid not in seen:
                    self.line('c %d -2' % tid)
                    self.names.pop(tid, None)
            self.last = seen
        finally:
            # Frames hold the program's values: none may live longer for us.
            del current

    def stack(self, frame):
        ids = []
        frames = self.frames
        while frame is not None and len(ids) < _MOST_DEPTH:
            code = frame.f_code
            key = (id(code), frame.f_lasti)
            row = frames.get(key)
            if row is None:
                row = self.new_frame(key, code, frame.f_lineno or 0)
            ids.append(row)
            frame = frame.f_back
        stack = -1
        stacks = self.stacks
        for row in reversed(ids):
            key = (stack, row)
            found = stacks.get(key)
            if found is None:
                found = stacks[key] = len(stacks)
                self.line('s %d %d' % key)
            stack = found
        return stack

    def new_frame(self, key, code, line):
        # The code object is kept, so that no other one can get its address.
        self.codes[key[0]] = code
        place = (key[0], line)
        row = self.lines_of.get(place)
        if row is None:
            row = self.lines_of[place] = len(self.lines_of)
            self.line('f %d %s\t%s' % (line, _plain(code.co_name)[:500], _plain(code.co_filename)[:1500]))
        self.frames[key] = row
        return row

    # Writing.

    def line(self, text):
        data = text.encode('utf-8', 'replace') + b'\n'
        self.out.append(data)
        self.size += len(data)

    def flush(self):
        if self.errors > 0:
            self.line('e %d %s' % (self.errors, self.error))
            self.errors = 0
        if self.dropped > 0:
            self.line('d %d' % self.dropped)
            self.dropped = 0
        out = self.out
        self.out = []
        self.size = 0
        if not out:
            return
        head = ('p %d\n' % self.pid).encode('ascii')
        try:
            # Opened for each time: a descriptor that stayed could be closed by the program, and its number be another file's.
            file = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.over = True
            return
        try:
            chunk = [head]
            size = len(head)
            for data in out:
                if size + len(data) > _CHUNK:
                    os.write(file, b''.join(chunk))
                    chunk = [head]
                    size = len(head)
                chunk.append(data)
                size += len(data)
            os.write(file, b''.join(chunk))
        except OSError as error:
            if error.errno == 11:
                # Full: nobody reads fast enough. What was in it is lost, and said.
                self.begin()
                self.dropped += 1
            else:
                self.over = True
        finally:
            os.close(file)


def _plain(text):
    if not isinstance(text, str):
        text = repr(text)
    return text.replace('\n', ' ').replace('\t', ' ').replace('\r', ' ')


def _begin():
    if os.environ.get('FLAMEBENCH_PTRACER'):
        _let_trace()
        if hasattr(os, 'register_at_fork'):
            os.register_at_fork(after_in_child=_again)
    folder = os.environ.get('FLAMEBENCH_PYTHON')
    if folder and sys.version_info >= (3, 7):
        sampler = _Sampler(folder)
        os.register_at_fork(before=sampler.before_fork, after_in_parent=sampler.after_fork, after_in_child=sampler.in_child)
        import atexit
        atexit.register(sampler.at_exit)
        sampler.start()


def _again():
    try:
        _let_trace()
    except BaseException:
        pass


try:
    _begin()
except BaseException:
    # There is nobody to tell: the program runs as it would without us.
    pass

# Make room for the next one, and let it be found as if this one had never been.
sys.path[:] = [_path for _path in sys.path if _path != _HERE]
sys.modules.pop('sitecustomize', None)
import sitecustomize  # noqa: E402,F401 (where there is none, `site` takes the ImportError for what it is)
