// Waits of known length: 400 sleeps in two loops, and a lock that another thread holds. Every wait is timed by the program itself.
// Prints `sleeps NS locks NS` and ends.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int done;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static uint64_t short_sleeps(void) {
  uint64_t sum = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t before = now();
    usleep(2000);
    sum += now() - before;
  }
  return sum;
}

__attribute__((noinline)) static uint64_t long_sleeps(void) {
  uint64_t sum = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t before = now();
    usleep(5000);
    sum += now() - before;
  }
  return sum;
}

static void *holder(void *unused) {
  (void)unused;
  while (!done) {
    pthread_mutex_lock(&lock);
    usleep(20000);
    pthread_mutex_unlock(&lock);
    usleep(3000);
  }
  return NULL;
}

__attribute__((noinline)) static uint64_t lock_waits(void) {
  uint64_t sum = 0;
  for (int i = 0; i < 40; i++) {
    uint64_t before = now();
    pthread_mutex_lock(&lock);
    sum += now() - before;
    pthread_mutex_unlock(&lock);
    usleep(1000);
  }
  return sum;
}

int main(void) {
  uint64_t sleeps = short_sleeps() + long_sleeps();
  pthread_t thread;
  pthread_create(&thread, NULL, holder, NULL);
  usleep(1000);
  uint64_t locks = lock_waits();
  done = 1;
  pthread_join(thread, NULL);
  printf("sleeps %llu locks %llu\n", (unsigned long long)sleeps, (unsigned long long)locks);
  fflush(stdout);
  return 0;
}
