// refuse [--uid UID] CMD ARG...: runs a command under a seccomp filter that refuses what profilers need: perf_event_open, ptrace and
// process_vm_readv answer EPERM, as a container's usual profile has it. With --uid the command is another user's.
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(call) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), \
  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static int fail(const char *what) {
  perror(what);
  return 125;
}

int main(int count, char **argv) {
  int at = 1;
  if (count > 3 && strcmp(argv[1], "--uid") == 0) {
    unsigned id = (unsigned)atoi(argv[2]);
    if (setgroups(0, NULL) != 0 || setgid(id) != 0 || setuid(id) != 0) return fail("setuid");
    at = 3;
  }
  if (at >= count) return fail("refuse: no command");
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      REFUSE(SYS_perf_event_open),
      REFUSE(SYS_ptrace),
      REFUSE(SYS_process_vm_readv),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return fail("seccomp");
  execvp(argv[at], argv + at);
  return fail(argv[at]);
}
