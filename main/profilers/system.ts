// Facts of this machine that decide what a profiler may do. A plain value, so that tests can put in any machine.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

export interface SystemFacts {
  readonly root: boolean;
  /** /proc/sys/kernel/perf_event_paranoid; null where the kernel has no perf events. */
  readonly paranoid: number | null;
  readonly kptrRestrict: number;
  /** yama's ptrace_scope; 0 where there is no yama. */
  readonly ptraceScope: number;
  /** Capabilities that this process has now, as bits. */
  readonly capabilities: bigint;
  /** `docker`, `podman`, `kubernetes`, `container` or '' on a host. */
  readonly container: string;
  /** A seccomp filter is on: in a container it usually refuses perf_event_open. */
  readonly seccomp: boolean;
  /** ID of /etc/os-release and its ID_LIKE: `debian`, `ubuntu debian`, `fedora`. */
  readonly distribution: string;
  readonly kernel: string;
  readonly cpus: number;
  /** Hard limit of open files. */
  readonly files: number;
  readonly pipx: boolean;
}

export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_ADMIN = 21;
export const CAP_PERFMON = 38;

export function hasCapability(facts: SystemFacts, capability: number): boolean {
  return ((facts.capabilities >> BigInt(capability)) & 1n) === 1n;
}

/** Reads all facts: a dozen small files, no child. Never throws. */
export function readSystem(): SystemFacts {
  const status = text('/proc/self/status');
  const limits = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(text('/proc/self/limits'));
  const os = text('/etc/os-release');
  const field = (name: string): string => new RegExp(`^${name}=("?)(.*)\\1$`, 'm').exec(os)?.[2] ?? '';
  return {
    root: process.geteuid?.() === 0,
    paranoid: number('/proc/sys/kernel/perf_event_paranoid'),
    kptrRestrict: number('/proc/sys/kernel/kptr_restrict') ?? 0,
    ptraceScope: number('/proc/sys/kernel/yama/ptrace_scope') ?? 0,
    capabilities: BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`),
    container: containerKind(),
    seccomp: /^Seccomp:\s*2/m.test(status),
    distribution: `${field('ID')} ${field('ID_LIKE')}`.trim().toLowerCase(),
    kernel: release(),
    cpus: cpus().length,
    files: limits === null || limits[1] === 'unlimited' ? Infinity : Number(limits[1]),
    pipx: ['/usr/bin/pipx', '/usr/local/bin/pipx'].some((path) => existsSync(path)),
  };
}

function containerKind(): string {
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes';
  if (existsSync('/.dockerenv')) return 'docker';
  if (existsSync('/run/.containerenv')) return 'podman';
  return /\/(docker|kubepods|libpod|containerd|lxc)/.test(text('/proc/1/cgroup')) ? 'container' : '';
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function number(path: string): number | null {
  const value = text(path).trim();
  return /^-?\d+$/.test(value) ? Number(value) : null;
}

/** Whether a tracepoint of the kernel can be read by us. Those of system calls are missing in a kernel without CONFIG_FTRACE_SYSCALLS. */
export function tracefsReadable(tracepoint = 'sched/sched_switch'): boolean {
  for (const root of ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']) {
    try {
      accessSync(`${root}/events/${tracepoint}/id`, constants.R_OK);
      return true;
    } catch {
      // The other place.
    }
  }
  return false;
}

/** A tracepoint that tells of memory that a program gets. */
export const MEMORY_TRACEPOINT = 'syscalls/sys_enter_mmap';

/** The command that installs perf here. */
export function perfInstall(facts: SystemFacts): string {
  const sudo = facts.root ? '' : 'sudo ';
  const is = (name: string): boolean => facts.distribution.split(/\s+/).includes(name);
  if (is('ubuntu')) return `${sudo}apt-get install -y linux-tools-common linux-tools-${facts.kernel}`;
  if (is('debian')) return `${sudo}apt-get install -y linux-perf`;
  if (is('fedora') || is('rhel') || is('centos') || is('amzn')) return `${sudo}dnf install -y perf`;
  if (is('arch')) return `${sudo}pacman -S --noconfirm perf`;
  if (is('suse') || is('opensuse')) return `${sudo}zypper install -y perf`;
  if (is('alpine')) return `${sudo}apk add perf`;
  return '';
}

/** The command that installs py-spy here. */
export function pySpyInstall(facts: SystemFacts): string {
  return facts.pipx ? 'pipx install py-spy' : 'python3 -m pip install --user py-spy';
}

/** What to say and do where perf_event_open itself is refused, whatever the sysctl says. */
export function refusedRemedy(facts: SystemFacts): { text: string; hint: string; command: string } {
  if (facts.container !== '') {
    const { text, command } = containerRemedy(facts);
    return { text: 'This container\'s seccomp profile refuses perf_event_open.', hint: text, command };
  }
  return {
    text: 'A seccomp filter refuses perf_event_open to this program: whatever started it has set the filter.',
    hint: 'Start Flamebench from a login shell, or take the filter out of the service that starts it (SystemCallFilter= in its unit).', command: '',
  };
}

/** Where tracepoints cannot be read: what makes them readable, until the next restart. */
export function tracefsRemedy(facts: SystemFacts): string {
  const mounted = existsSync('/sys/kernel/tracing/events');
  if (facts.root) return mounted ? '' : 'mount -t tracefs nodev /sys/kernel/tracing';
  // A mode alone changes nothing: files of events are their group's.
  return `sudo mount ${mounted ? '-o remount,' : '-t tracefs -o '}mode=750,gid=$(id -g) ${mounted ? '' : 'nodev '}/sys/kernel/tracing`;
}

/** How a container is started so that profilers may look at its processes. */
export function containerRemedy(facts: SystemFacts): { text: string; command: string } {
  if (facts.container === 'kubernetes') {
    return {
      text: 'Add to the container in the pod: securityContext: { capabilities: { add: [PERFMON, SYS_PTRACE] }, seccompProfile: { type: Unconfined } }.',
      command: '',
    };
  }
  const program = facts.container === 'podman' ? 'podman' : 'docker';
  return {
    text: `Start the container with --cap-add PERFMON --cap-add SYS_PTRACE --security-opt seccomp=unconfined.`,
    command: `${program} run --cap-add PERFMON --cap-add SYS_PTRACE --security-opt seccomp=unconfined IMAGE`,
  };
}
