// A known call chain and a known share: `hot` does 3 parts of the work, `warm` 1. Built with and without frame pointers,
// and stripped:
//   cc -O2 -g -fno-omit-frame-pointer frame_pointers.c -o fp
//   cc -O2 -g -fomit-frame-pointer frame_pointers.c -o nofp && strip nofp
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) static void spin(unsigned long rounds) {
  for (unsigned long i = 0; i < rounds; i++) sink += i ^ (sink >> 3);
}

__attribute__((noinline)) void hot(void) {
  spin(300000);
  sink++;
}

__attribute__((noinline)) void warm(void) {
  spin(100000);
  sink++;
}

__attribute__((noinline)) void middle(void) {
  hot();
  warm();
  sink++;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1e9;
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  printf("ready %d\n", getpid());
  fflush(stdout);
  do {
    middle();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
  return 0;
}
