// A tree of processes: a root with two children, each of which has two. Each runs in a function of its depth, as long as its
// place says. Prints a line of JSON for each process as it ends (the root last): pid, ppid, depth, CPU time.
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t ran(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void spin(int ms) {
  uint64_t end = ran() + (uint64_t)ms * 1000000u;
  while (ran() < end) continue;
}

__attribute__((noinline)) static void work_of_root(void) { spin(150); __asm__ volatile(""); }
__attribute__((noinline)) static void work_of_child(int place) { spin(150 + 100 * place); __asm__ volatile(""); }
__attribute__((noinline)) static void work_of_grandchild(int place) { spin(100 + 50 * place); __asm__ volatile(""); }

static void grow(int depth, int place) {
  pid_t children[2];
  if (depth < 2) for (int i = 0; i < 2; i++) if ((children[i] = fork()) == 0) {
    grow(depth + 1, place * 2 + i);
    _exit(0);
  }
  if (depth == 0) work_of_root();
  else if (depth == 1) work_of_child(place);
  else work_of_grandchild(place);
  if (depth < 2) for (int i = 0; i < 2; i++) waitpid(children[i], NULL, 0);
  char line[128];
  int length = snprintf(line, sizeof line, "{\"pid\":%d,\"ppid\":%d,\"depth\":%d,\"cpu\":%lu}\n", getpid(), getppid(), depth, (unsigned long)ran());
  if (write(1, line, (size_t)length) != length) _exit(1);
}

int main(void) {
  grow(0, 0);
  return 0;
}
