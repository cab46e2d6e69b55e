// More threads that never wait than this machine has CPUs: what they do not run they wait for a CPU. Runs for the seconds of its
// argument. Prints one line of JSON: for each thread its id, wall time, CPU time, and what /proc says it waited for a CPU (ns).
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST 256

static double seconds = 1.5;
static long ids[MOST];
static unsigned long wall[MOST], cpu[MOST], queued[MOST];

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void never_wait(uint64_t end) {
  while (now(CLOCK_MONOTONIC) < end) continue;
}

static void *one(void *which) {
  long i = (long)which;
  uint64_t begin = now(CLOCK_MONOTONIC);
  ids[i] = syscall(SYS_gettid);
  never_wait(begin + (uint64_t)(seconds * 1e9));
  wall[i] = now(CLOCK_MONOTONIC) - begin;
  cpu[i] = now(CLOCK_THREAD_CPUTIME_ID);
  FILE *file = fopen("/proc/thread-self/schedstat", "r");
  if (file != NULL) {
    unsigned long unused;
    if (fscanf(file, "%lu %lu", &unused, &queued[i]) != 2) queued[i] = 0;
    fclose(file);
  }
  return NULL;
}

int main(int count, char **words) {
  pthread_t threads[MOST];
  long many = sysconf(_SC_NPROCESSORS_ONLN) * 2 + 1;
  if (many > MOST) many = MOST;
  if (count > 1) seconds = atof(words[1]);
  for (long i = 0; i < many; i++) pthread_create(&threads[i], NULL, one, (void *)i);
  for (long i = 0; i < many; i++) pthread_join(threads[i], NULL);
  printf("{\"threads\":[");
  for (long i = 0; i < many; i++) printf("%s{\"tid\":%ld,\"wall\":%lu,\"cpu\":%lu,\"queued\":%lu}", i == 0 ? "" : ",", ids[i], wall[i], cpu[i], queued[i]);
  printf("]}\n");
  return 0;
}
