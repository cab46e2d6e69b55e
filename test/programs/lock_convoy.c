// A convoy: threads that all want one pthread mutex, which each holds for 2 ms of work. Every wait is timed by the thread itself.
// Prints one line of JSON: ns waited for the lock, and each thread's id and CPU time.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define TURNS 60

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t waited[THREADS], cpu[THREADS];
static long ids[THREADS];

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void work(void) {
  uint64_t end = now(CLOCK_THREAD_CPUTIME_ID) + 2000000;
  while (now(CLOCK_THREAD_CPUTIME_ID) < end) continue;
}

__attribute__((noinline)) static uint64_t take(void) {
  uint64_t before = now(CLOCK_MONOTONIC), ran = now(CLOCK_THREAD_CPUTIME_ID);
  pthread_mutex_lock(&lock);
  return now(CLOCK_MONOTONIC) - before - (now(CLOCK_THREAD_CPUTIME_ID) - ran);
}

static void *convoy(void *which) {
  long i = (long)which;
  ids[i] = syscall(SYS_gettid);
  for (int turn = 0; turn < TURNS; turn++) {
    waited[i] += take();
    work();
    pthread_mutex_unlock(&lock);
    usleep(100);
  }
  cpu[i] = now(CLOCK_THREAD_CPUTIME_ID);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  uint64_t sum = 0;
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, convoy, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) sum += waited[i];
  printf("{\"lock\":%lu,\"cpu\":{", (unsigned long)sum);
  for (int i = 0; i < THREADS; i++) printf("%s\"%ld\":%lu", i == 0 ? "" : ",", ids[i], (unsigned long)cpu[i]);
  printf("}}\n");
  return 0;
}
