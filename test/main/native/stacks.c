// A target whose stacks take every road: callbacks through libc, a signal handler, deep recursion, code without rules.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile long sink;

__attribute__((noinline)) static long spin(long n) {
  for (volatile long i = 0; i < 2000000; i++) sink += n;
  return sink;
}

__attribute__((noinline)) static int compare(const void *a, const void *b) {
  spin(1);
  return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void by_callback(void) {
  int list[2] = {2, 1};
  qsort(list, 2, sizeof list[0], compare);
  sink++;
}

static void on_signal(int number) {
  spin(number);
  sink++;
}

__attribute__((noinline)) static void by_signal(void) {
  raise(SIGUSR2);
  sink++;
}

__attribute__((noinline)) static long deep(int n) {
  volatile char room[200];
  room[n % 200] = 1;
  long below = n == 0 ? spin(2) : deep(n - 1);
  return below + room[0];
}

int main(int argc, char **argv) {
  (void)argc;
  signal(SIGUSR2, on_signal);
  for (;;) {
    if (strcmp(argv[1], "callback") == 0) by_callback();
    else if (strcmp(argv[1], "signal") == 0) by_signal();
    else deep(300);
  }
}
