// Waits for the disk: a file of its first argument is written and flushed again and again, and read past the page cache where the
// file system can do that. Prints one line of JSON: ns that it did not run in `flush` and in `fetch`.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE (1 << 18)

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t away(void) { return now(CLOCK_MONOTONIC) - now(CLOCK_THREAD_CPUTIME_ID); }

__attribute__((noinline)) static uint64_t flush(int file) {
  uint64_t before = away();
  fsync(file);
  return away() - before;
}

__attribute__((noinline)) static uint64_t fetch(int file, char *into, int at) {
  uint64_t before = away();
  if (pread(file, into, SIZE, (off_t)at * SIZE) < 0) return 0;
  return away() - before;
}

int main(int count, char **words) {
  const char *path = count > 1 ? words[1] : "disk_writes.tmp";
  char *data = aligned_alloc(4096, SIZE);
  uint64_t flushed = 0, fetched = 0;
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || data == NULL) return 1;
  for (int i = 0; i < 60; i++) {
    memset(data, i, SIZE);
    if (pwrite(file, data, SIZE, (off_t)i * SIZE) != SIZE) return 1;
    flushed += flush(file);
  }
  close(file);
  file = open(path, O_RDONLY | O_DIRECT);
  if (file >= 0) {
    for (int i = 0; i < 60; i++) fetched += fetch(file, data, (i * 7) % 60);
    close(file);
  }
  unlink(path);
  printf("{\"flush\":%lu,\"fetch\":%lu}\n", (unsigned long)flushed, (unsigned long)fetched);
  return 0;
}
