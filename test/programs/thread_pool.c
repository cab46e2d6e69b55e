// A pool: 3 workers named `pool-N` take tasks from a queue guarded by a mutex and a condition; each task runs for 4 ms. The main
// thread hands one out every 5 ms. Prints one line of JSON: each worker's id, CPU time, and ns that it waited for a task.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 3
#define TASKS 300

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int tasks, over;
static long ids[WORKERS];
static uint64_t cpu[WORKERS], waited[WORKERS];

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void task(void) {
  uint64_t end = now(CLOCK_THREAD_CPUTIME_ID) + 4000000;
  while (now(CLOCK_THREAD_CPUTIME_ID) < end) continue;
}

__attribute__((noinline)) static int next_task(uint64_t *wait) {
  uint64_t before = now(CLOCK_MONOTONIC) - now(CLOCK_THREAD_CPUTIME_ID);
  pthread_mutex_lock(&lock);
  while (tasks == 0 && !over) pthread_cond_wait(&more, &lock);
  int got = tasks > 0;
  if (got) tasks--;
  pthread_mutex_unlock(&lock);
  *wait += now(CLOCK_MONOTONIC) - now(CLOCK_THREAD_CPUTIME_ID) - before;
  return got;
}

static void *worker(void *which) {
  long i = (long)which;
  char name[16];
  snprintf(name, sizeof name, "pool-%ld", i);
  pthread_setname_np(pthread_self(), name);
  ids[i] = syscall(SYS_gettid);
  while (next_task(&waited[i])) task();
  cpu[i] = now(CLOCK_THREAD_CPUTIME_ID);
  return NULL;
}

int main(void) {
  pthread_t threads[WORKERS];
  for (long i = 0; i < WORKERS; i++) pthread_create(&threads[i], NULL, worker, (void *)i);
  for (int i = 0; i < TASKS; i++) {
    pthread_mutex_lock(&lock);
    tasks++;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
    usleep(5000);
  }
  pthread_mutex_lock(&lock);
  over = 1;
  pthread_cond_broadcast(&more);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
  printf("{\"workers\":[");
  for (int i = 0; i < WORKERS; i++) printf("%s{\"tid\":%ld,\"cpu\":%lu,\"waited\":%lu}", i == 0 ? "" : ",", ids[i], (unsigned long)cpu[i], (unsigned long)waited[i]);
  printf("]}\n");
  return 0;
}
