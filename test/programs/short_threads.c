// Prints the CPU time that it used in the end. Busy all the time, but in threads of 2 ms each, one after another: a sampling clock of 99 Hz sees next to nothing of it.
//   cc -O2 -g -pthread short_threads.c -o short_threads
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static volatile unsigned long sink;

static void *brief(void *length) {
  double end = seconds_now() + *(double *)length;
  while (seconds_now() < end) sink++;
  return NULL;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1e9;
  double length = argc > 2 ? atof(argv[2]) / 1000 : 0.002;
  double end = seconds_now() + seconds;
  printf("ready %d\n", getpid());
  fflush(stdout);
  while (seconds_now() < end) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, brief, &length) != 0) return 1;
    pthread_join(thread, NULL);
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("cpu %.3f\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
  return 0;
}
