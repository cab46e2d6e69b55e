// Everything that a process may do to those who watch it, once a round: a thread ends, a child is forked and works, a
// child execs, a library is loaded and unloaded. In between it is busy in `busy`.
//   cc -O2 -g -pthread life_events.c -o life_events -ldl
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) void busy(double seconds) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    for (int i = 0; i < 10000; i++) sink += (unsigned long)i;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
}

static void *thread_main(void *unused) {
  busy(0.05);
  return unused;
}

int main(int argc, char **argv) {
  if (argc > 2) {
    // The child that was started by exec.
    busy(0.1);
    return 0;
  }
  int rounds = argc > 1 ? atoi(argv[1]) : 1 << 30;
  printf("ready %d\n", getpid());
  fflush(stdout);
  for (int i = 0; i < rounds; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, NULL) != 0) return 1;
    busy(0.1);
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
      busy(0.1);
      _exit(0);
    }
    if (child > 0) waitpid(child, NULL, 0);
    child = fork();
    if (child == 0) {
      execl("/proc/self/exe", "exec-child", "1", "child", (char *)NULL);
      _exit(127);
    }
    if (child > 0) waitpid(child, NULL, 0);
    void *library = dlopen("libm.so.6", RTLD_NOW);
    if (library != NULL) {
      double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
      for (int k = 0; k < 1000000 && cosine != NULL; k++) sink += (unsigned long)(cosine((double)k) * 2.0 + 2.0);
      dlclose(library);
    }
  }
  return 0;
}
