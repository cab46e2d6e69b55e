// What `npm run bench` records: one kind of load a run. Prints the work done so far, a line each 100 ms.
//   load compute        one thread that computes
//   load alloc          one thread of malloc and free pairs
//   load switch         one thread that sleeps 90 us at a time: some 7,000 switches a second
//   load crowd P T W    P processes of T threads that wake ten times a second, and W workers that compute a tenth of the time
//   cc -O2 -g -fno-omit-frame-pointer -pthread load.c -o load
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_ulong work;
static volatile unsigned long sink;

static void rest(long ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  nanosleep(&time, NULL);
}

static void *teller(void *unused) {
  for (;;) {
    rest(100000000);
    printf("%lu\n", atomic_load(&work));
    fflush(stdout);
  }
  return unused;
}

__attribute__((noinline)) static void compute(void) {
  for (int i = 0; i < 100000; i++) sink += (unsigned long)i * sink;
  atomic_fetch_add(&work, 1);
}

__attribute__((noinline)) static void allocate(void) {
  void *kept[64];
  for (int i = 0; i < 64; i++) {
    kept[i] = malloc(64 + (size_t)i * 16);
    *(volatile char *)kept[i] = 1;
  }
  for (int i = 0; i < 64; i++) free(kept[i]);
  atomic_fetch_add(&work, 64);
}

static void *waker(void *unused) {
  for (;;) {
    rest(100000000);
    sink++;
  }
  return unused;
}

static void crowd(int processes, int threads, int workers) {
  for (int i = 0; i < processes + workers; i++) {
    if (fork() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (i >= processes) {
      for (;;) {
        for (int j = 0; j < 20; j++) compute();
        rest(20000000);
      }
    }
    for (int j = 1; j < threads; j++) {
      pthread_t thread;
      pthread_attr_t small;
      pthread_attr_init(&small);
      pthread_attr_setstacksize(&small, 65536);
      if (pthread_create(&thread, &small, waker, NULL) != 0) _exit(1);
    }
    waker(NULL);
  }
  for (;;) {
    rest(50000000);
    atomic_fetch_add(&work, 1);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (strcmp(argv[1], "crowd") == 0) {
    if (argc < 5) return 2;
    crowd(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
  }
  pthread_t thread;
  if (pthread_create(&thread, NULL, teller, NULL) != 0) return 1;
  for (;;) {
    if (strcmp(argv[1], "compute") == 0) compute();
    else if (strcmp(argv[1], "alloc") == 0) allocate();
    else {
      rest(90000);
      atomic_fetch_add(&work, 1);
    }
  }
}
