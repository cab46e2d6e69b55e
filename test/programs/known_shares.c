// Two functions with a known share of the CPU: `hot` does 3 parts of the work, `warm` 1. One loop does the work of both, so
// that the share is one of time whatever the machine. Built with and without frame pointers:
//   cc -O2 -g -fno-omit-frame-pointer known_shares.c -o fp
//   cc -O2 -g -fomit-frame-pointer -momit-leaf-frame-pointer known_shares.c -o nofp
// Runs for the seconds of CPU time of its first argument, echoes standard input's first line where there is one, and exits with its
// second argument.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) static void work(unsigned long rounds) {
  for (unsigned long i = 0; i < rounds; i++) sink += i ^ (sink >> 3);
}

__attribute__((noinline)) void hot(void) {
  work(300000);
  sink++;
}

__attribute__((noinline)) void warm(void) {
  work(100000);
  sink++;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1e9;
  struct timespec start, now;
  char line[256];
  printf("ready %d\n", getpid());
  printf("terminal %d %d\n", isatty(0), isatty(1));
  fflush(stdout);
  if (argc > 2 && fgets(line, sizeof line, stdin) != NULL) printf("read %s", line);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    hot();
    warm();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
  fprintf(stderr, "done\n");
  return argc > 2 ? atoi(argv[2]) : 0;
}
