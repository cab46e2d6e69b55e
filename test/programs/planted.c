// Keeps a string on its stack, as programs keep keys and passwords: copied stacks hold it, a saved recording must not.
//   cc -O1 -g planted.c -o planted
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) void work_with(const char *secret) {
  for (int i = 0; i < 100000; i++) sink += (unsigned long)secret[i % 8] ^ (unsigned long)i;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1e9;
  char secret[64];
  // Put together here, so that the text stands in no file of the program.
  strcpy(secret, "PLANTED");
  strcat(secret, "-ON-THE-");
  strcat(secret, "STACK-4711");
  time_t end = time(NULL) + (time_t)(seconds < 1e8 ? seconds : 1e8);
  printf("ready %d\n", getpid());
  fflush(stdout);
  while (time(NULL) < end) work_with(secret);
  return 0;
}
