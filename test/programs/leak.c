// Memory with a known truth, in four phases of 300 ms (all sizes as asked for, in bytes):
//   load      100 blocks of 10 000 are taken            held 1 000 000
//   grow      50 blocks of 2 000 leak, 6 ms apart       held 1 100 000   the peak
//   drop      the 100 blocks are given back             held   100 000
//   stay      nothing                                   held   100 000 at the end
// After each phase it prints its name and waits; it ends at the end of its input where there is one argument.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *blocks[100];
void *volatile kept;

static void ms(int n) { usleep(n * 1000); }

static void say(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(1);
}

__attribute__((noinline)) void *take(size_t size) {
  void *block = malloc(size);
  memset(block, 1, size);
  return block;
}

__attribute__((noinline)) void load(void) {
  for (int i = 0; i < 100; i++) blocks[i] = take(10000);
}

__attribute__((noinline)) void grow(void) {
  for (int i = 0; i < 50; i++) {
    kept = take(2000);
    ms(6);
  }
}

__attribute__((noinline)) void drop(void) {
  for (int i = 0; i < 100; i++) free(blocks[i]);
}

int main(int argc, char **argv) {
  (void)argv;
  load();
  say("load\n");
  ms(300);
  grow();
  say("grow\n");
  ms(300);
  drop();
  say("drop\n");
  ms(300);
  say("stay\n");
  if (argc > 1) {
    char c;
    while (read(0, &c, 1) > 0) kept = take(c);
  }
  return 0;
}
