// Two processes and two pipes: the child works for 3 ms on each byte and sends it back. Prints one line of JSON: ns that the parent
// waited in `serve_ping`, and the child's id and CPU time.
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static uint64_t serve_ping(int to, int from) {
  char byte = 'x';
  if (write(to, &byte, 1) != 1) return 0;
  uint64_t before = now(CLOCK_MONOTONIC), ran = now(CLOCK_THREAD_CPUTIME_ID);
  if (read(from, &byte, 1) != 1) return 0;
  return now(CLOCK_MONOTONIC) - before - (now(CLOCK_THREAD_CPUTIME_ID) - ran);
}

__attribute__((noinline)) static void serve_pong(int from, int to) {
  char byte;
  while (read(from, &byte, 1) == 1) {
    uint64_t end = now(CLOCK_THREAD_CPUTIME_ID) + 3000000;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end) continue;
    if (write(to, &byte, 1) != 1) break;
  }
  uint64_t ran = now(CLOCK_THREAD_CPUTIME_ID);
  if (write(to, &ran, sizeof ran) != sizeof ran) _exit(1);
}

int main(void) {
  int there[2], back[2];
  uint64_t waited = 0, ran = 0;
  if (pipe(there) != 0 || pipe(back) != 0) return 1;
  pid_t child = fork();
  if (child == 0) {
    close(there[1]);
    serve_pong(there[0], back[1]);
    return 0;
  }
  close(there[0]);
  for (int i = 0; i < 250; i++) waited += serve_ping(there[1], back[0]);
  close(there[1]);
  if (read(back[0], &ran, sizeof ran) != sizeof ran) return 1;
  waitpid(child, NULL, 0);
  printf("{\"read\":%lu,\"child\":%d,\"childCpu\":%lu}\n", (unsigned long)waited, child, (unsigned long)ran);
  return 0;
}
