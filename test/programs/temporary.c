// Temporary allocations with a known truth:
//   scratch     20 000 blocks of 64 bytes, each given back before the next is taken     temporary
//   pairs        5 000 times two blocks of 100 bytes, given back in the order in which they were taken: the second of a pair
//                is given back when the first one is gone already, so neither is temporary
//   resized      1 000 blocks of 16 bytes that realloc makes 32 bytes: two allocations each; the first is given back by it
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *volatile seen;

__attribute__((noinline)) void scratch(void) {
  for (int i = 0; i < 20000; i++) {
    void *block = malloc(64);
    seen = block;
    free(block);
  }
}

__attribute__((noinline)) void pairs(void) {
  for (int i = 0; i < 5000; i++) {
    void *first = malloc(100);
    seen = first;
    void *second = malloc(100);
    seen = second;
    free(first);
    free(second);
  }
}

__attribute__((noinline)) void resized(void) {
  for (int i = 0; i < 1000; i++) {
    char *block = malloc(16);
    seen = block;
    block = realloc(block, 32);
    seen = block;
    free(block);
  }
}

int main(void) {
  scratch();
  pairs();
  resized();
  usleep(100000);
  return 0;
}
