// Touches known numbers of pages: `first` touches FIRST pages of new memory, `second` SECOND, ten megabytes at a time, pausing between.
// Then it touches them all again, which faults no more. Prints `faults FIRST SECOND minor N` (N by the kernel's own count) and ends.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096, PIECE = 2560, FIRST = 10, SECOND = 30 };

static volatile char *pieces[FIRST + SECOND];

__attribute__((noinline)) static void touch(volatile char *memory) {
  for (int page = 0; page < PIECE; page++) memory[(size_t)page * PAGE] = 1;
}

static volatile char *piece(void) {
  void *memory = mmap(NULL, (size_t)PIECE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
  // A huge page would be one fault for 512 pages.
  madvise(memory, (size_t)PIECE * PAGE, MADV_NOHUGEPAGE);
  return memory;
}

__attribute__((noinline)) static void first(void) {
  for (int i = 0; i < FIRST; i++) {
    pieces[i] = piece();
    touch(pieces[i]);
    usleep(3000);
  }
}

__attribute__((noinline)) static void second(void) {
  for (int i = 0; i < SECOND; i++) {
    pieces[FIRST + i] = piece();
    touch(pieces[FIRST + i]);
    usleep(3000);
  }
}

__attribute__((noinline)) static void again(void) {
  for (int i = 0; i < FIRST + SECOND; i++) touch(pieces[i]);
}

int main(int argc, char **argv) {
  if (argc > 1) usleep((useconds_t)atoi(argv[1]) * 1000);
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  first();
  second();
  again();
  getrusage(RUSAGE_SELF, &after);
  printf("faults %d %d minor %ld\n", FIRST * PIECE, SECOND * PIECE, after.ru_minflt - before.ru_minflt);
  fflush(stdout);
  return 0;
}
