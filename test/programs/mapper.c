// Gets known amounts of memory from the kernel, by functions that say how much, and gives most of it back.
//
//     keeps       10 x 1 MB of mmap, kept
//     gives_back  20 x 2 MB of mmap, each unmapped by `free_all`
//     grows       one mapping from 1 MB to 5 MB by mremap, kept
//     heap        8 MB of sbrk, 3 MB given back by `trims`
//     threads     4 threads with 3 MB each, which they unmap themselves
//     no_memory   a reservation without access, a mapping of its own program, a stack: none of it counts
//
// Each step waits a little. `mapper stop`: it stops itself before the first step, until it is continued. Prints `ready` before that and
// `done` behind the steps.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MB = 1 << 20 };

static void *some[20];

static void *get(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
  return memory;
}

__attribute__((noinline)) static void keeps(void) {
  for (int i = 0; i < 10; i++) *(char *)get(MB) = 1;
}

__attribute__((noinline)) static void gives_back(void) {
  for (int i = 0; i < 20; i++) some[i] = get(2 * MB);
}

__attribute__((noinline)) static void free_all(void) {
  for (int i = 0; i < 20; i++) munmap(some[i], 2 * MB);
}

__attribute__((noinline)) static void grows(void) {
  void *memory = get(MB);
  for (size_t size = 2; size <= 5; size++) memory = mremap(memory, (size - 1) * MB, size * MB, MREMAP_MAYMOVE);
}

__attribute__((noinline)) static void heap(void) {
  for (int i = 0; i < 8; i++) sbrk(MB);
}

__attribute__((noinline)) static void trims(void) {
  sbrk(-3 * MB);
}

static void *in_thread(void *unused) {
  void *memory = get(3 * MB);
  usleep(5000);
  munmap(memory, 3 * MB);
  return unused;
}

__attribute__((noinline)) static void threads(void) {
  pthread_t all[4];
  for (int i = 0; i < 4; i++) pthread_create(&all[i], NULL, in_thread, NULL);
  for (int i = 0; i < 4; i++) pthread_join(all[i], NULL);
}

__attribute__((noinline)) static void no_memory(const char *program) {
  mmap(NULL, 64 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  mmap(NULL, 8 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  int file = open(program, O_RDONLY);
  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
  mmap(NULL, (size_t)1 << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  close(file);
}

int main(int argc, char **argv) {
  // The heap of the C library is there before: what it adds later is small.
  setvbuf(stdout, NULL, _IOLBF, 1024);
  puts("ready");
  if (argc > 1) raise(SIGSTOP);
  keeps();
  usleep(20000);
  gives_back();
  usleep(20000);
  free_all();
  grows();
  heap();
  usleep(20000);
  trims();
  threads();
  no_memory(argv[0]);
  puts("done");
  return 0;
}
