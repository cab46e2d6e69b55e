// Why a thread waits, told from the kernel's functions between its system call (or fault) and the scheduler.
//
//     leaf                                                                              root
//     __schedule  schedule  futex_do_wait  __futex_wait  futex_wait  do_futex  __x64_sys_futex  ...
//     '---- plumbing -----' '- the first that the table knows: "lock: futex_do_wait"

/** Reasons that the kernel's frames can tell. `preempted` and `stopped` are told from the switch itself. */
export type WaitReason = 'lock' | 'disk' | 'sleep' | 'page fault' | 'pipe, socket' | 'child' | 'GPU wait';

/** Tips of stacks whose reason is not a wait at all. */
export const PREEMPTED = 'preempted';
export const STOPPED = '[stopped by a profiler]';
/** In place of the stack of a wait that had begun before the thread was watched. */
export const BEFORE = '[already waiting]';
/** Where no frame tells the reason. */
export const WAITING = '[waiting]';

// What every wait goes through, or what only says how and not for what.
const PLUMBING = new RegExp(`^(?:${[
  '_*schedule(?:_.*)?', 'io_schedule.*', 'preempt_schedule.*', '__preempt_.*', 'context_switch', 'prepare_task_switch', 'finish_task_switch.*',
  '__?perf_.*', 'perf_.*', '__traceiter_.*', '__bpf_trace_.*', 'trace_.*', '__cond_resched.*', 'do_nanosleep', 'bit_wait.*', '__wait_on_bit.*', 'out_of_line_wait_on_bit.*',
  'wait_woken', '__wait_for_common', 'do_wait_for_common', 'wait_for_common', 'wait_for_completion.*', '__wait_for_completion.*', 'wait_on_bit.*',
  'poll_schedule_timeout', 'asm_.*', 'sysvec_.*', 'irqentry_.*', 'exit_to_user_mode.*', 'ret_from_.*', 'task_work_run', 'do_task_dead', 'do_exit', 'make_task_dead',
  'swake_.*', 'prepare_to_wait.*', 'finish_wait', 'autoremove_wake_function', '__rq_qos_.*',
].join('|')})$`);

// By the name without `.constprop.0` and the like. The first line that fits decides.
const TABLE: readonly (readonly [WaitReason, RegExp])[] = [
  ['GPU wait', /^(?:nvidia_|nv_|nvkms_|uvm_|os_acquire_|_nv\d|rm_ioctl|amdgpu_|kfd_|dma_fence_|drm_syncobj_|i915_(?:gem_)?(?:request_)?wait|xe_(?:wait|sched)|dma_resv_wait)/],
  ['sleep', /^(?:hrtimer_nanosleep|common_nsleep|.*sys_(?:clock_)?nanosleep|msleep|usleep_range|fsleep|do_sigtimedwait|sigsuspend|.*sys_pause|timerfd_read|alarm_timer_nsleep|posix_cpu_nsleep|.*sys_rt_sigsuspend|.*sys_rt_sigtimedwait)/],
  ['lock', /^(?:futex_(?!wake|requeue_pi_wakeup)|__futex_|do_futex|rwsem_|__?down(?:_|$)|down_(?:read|write)|__?mutex_lock|mutex_lock|rt_mutex|__rt_mutex|rtlock_|percpu_(?:rwsem_wait|down)|__percpu_|posix_lock_|flock_lock|locks_lock_|fcntl_setlk|__break_lease|do_semtimedop|__do_semtimedop|userfaultfd_ctx_read|ww_mutex|osq_lock|queued_(?:read|write)_lock|synchronize_(?:rcu|srcu)|wait_rcu_gp|__wait_rcu_gp|robust_list)/],
  ['child', /^(?:do_wait|kernel_wait|kernel_waitid|wait4|.*sys_wait(?:4|id)|kernel_clone|_do_fork|.*sys_vfork|wait_for_vfork_done|wait_task_|pidfd_|zap_pid_ns)/],
  ['pipe, socket', /^(?:do_poll|do_sys_poll|do_select|core_sys_select|do_pselect|ep_poll|do_epoll_|.*pipe_(?:read|write|wait)|wait_for_partner|fifo_open|.*sk_|sk_|sock_|__?skb_|skb_|unix_|inet_|inet6_|tcp_|udp_|udpv6_|raw_recv|netlink_|packet_|__sys_(?:recv|send|accept|connect)|vsock_|virtio_transport_|eventfd_|signalfd_|inotify_|fanotify_|n_tty_|tty_|wait_port|wq_sleep|do_mq_|do_msgrcv|do_msgsnd|mq_|vcs_|evdev_|hvc_|uart_|rds_|tipc_|tls_|smc_|ip_|af_alg_|alg_|splice_|iter_file_splice|do_splice|wait_for_space|ptm_|pty_|kcm_|xsk_|can_|isotp_|vhost_|tun_|tap_)/],
  ['disk', /^(?:folio_wait_|__folio_|folio_lock|folio_put_wait|wait_on_page|__lock_page|lock_page|wait_on_buffer|__wait_on_buffer|__bread|bread|ll_rw|filemap_|generic_file_|generic_perform|page_cache_|force_page_cache|ondemand_readahead|read_pages|submit_bio_wait|blk_|blkdev_|bio_|__blkdev|rq_qos_|wbt_|iomap_|__iomap|dio_|do_blockdev_direct|balance_dirty|file_write_and_wait|__filemap|sync_|wait_sb_inodes|vfs_fsync|do_fsync|fsync_|jbd2_|do_get_write_access|start_this_handle|add_transaction_|ext[234]_|xfs_|xlog_|btrfs_|f2fs_|nfs\d?_|rpc_|__rpc_|nfsd|cifs_|smb2?_|wait_for_response|fuse_|__fuse|request_wait_answer|ceph_|p9_|v9fs_|netfs_|fscache_|ovl_|overlay|squashfs_|erofs_|zfs_|zil_|txg_|cv_wait|spl_|dm_|md_|raid\d|nvme_|scsi_|sd_|virtblk_|loop_|io_cqring_wait|io_wq|io_uring|__io_uring|read_swap|swap_|do_swap_page|wait_for_dump|lookup_slow|d_alloc_parallel|__wait_on_freeing_inode|wait_on_inode|iget|do_iter_readv|mempool_alloc|throttle_direct_reclaim|shrink_|do_try_to_free|try_to_free|mem_cgroup_|reclaim_throttle|congestion_wait|do_shrink|kswapd)/],
];

/** The kernel came here because memory was touched. */
const FAULT = /^(?:handle_mm_fault|__handle_mm_fault|do_user_addr_fault|exc_page_fault|do_page_fault|__do_page_fault|handle_userfault|do_swap_page|do_fault|__do_fault|filemap_fault|faultin_page|migration_entry_wait.*|do_mem_abort|el0_da)$/;
const STOPS = /^(?:ptrace_stop|ptrace_notify|ptrace_do_notify|ptrace_signal|do_signal_stop|do_jobctl_trap|ptrace_check_attach|__refrigerator)$/;
/** At the foot of each kernel stack. */
const ENTRY = /^(?:do_syscall_(?:64|x64)|entry_SYSCALL|x64_sys_call|__x64_sys_|__ia32_|__se_sys_|__do_sys_|el0_|do_el0_|invoke_syscall|__arm64_sys_|ret_from_fork|syscall_)/;

/**
 * What the box at the tip of a waiting stack is called: `lock: futex_do_wait`, `[stopped by a profiler]`, or `[waiting]` where
 * the frames do not tell. `kernel`: names of the kernel's functions, leaf first; `gpu`: the program waits inside a library of
 * a GPU's driver.
 */
export function tipOf(kernel: readonly string[], gpu: boolean): string {
  const names = kernel.map(plainName).filter((name) => name !== '' && !name.startsWith('['));
  if (names.length === 0) return gpu ? 'GPU wait' : WAITING;
  if (names.some((name) => STOPS.test(name))) return STOPPED;
  let first = '';
  for (const name of names) {
    if (PLUMBING.test(name)) continue;
    if (first === '' && !ENTRY.test(name)) first = name;
    const found = TABLE.find(([, pattern]) => pattern.test(name));
    if (gpu && (found !== undefined || first !== '')) return `GPU wait: ${name}`;
    if (FAULT.test(name)) return `page fault: ${first}`;
    if (found === undefined) continue;
    const [reason] = found;
    // A page that is read because it was touched: the program does not know that it reads.
    const faulted = reason === 'disk' && names.some((one) => FAULT.test(one));
    return `${faulted ? 'page fault' : reason}: ${name}`;
  }
  if (gpu) return 'GPU wait';
  return first === '' ? WAITING : `waiting: ${first}`;
}

// In a stack the frame behind these says more; alone they still say what is waited for.
const ALONE: readonly (readonly [WaitReason, RegExp])[] = [
  ['pipe, socket', /^(?:poll_schedule_timeout|wait_woken)/], ['sleep', /^do_nanosleep/], ['disk', /^(?:io_schedule|bit_wait_io)/],
];

/** As `tipOf`, of the one function that /proc/PID/wchan names. */
export function tipOfChannel(name: string): string {
  const plain = plainName(name);
  const alone = ALONE.find(([, pattern]) => pattern.test(plain));
  return alone === undefined ? tipOf([name], false) : `${alone[0]}: ${plain}`;
}

/** The name without what compilers put behind it: `do_poll.constprop.0` is `do_poll`. */
function plainName(name: string): string {
  const dot = name.search(/\.(?:constprop|isra|part|cold|llvm|lto_priv)\b/);
  return dot > 0 ? name.slice(0, dot) : name;
}

/** Whether a user library waits for a GPU. `library`: its path or file name. */
export function isGpuLibrary(library: string): boolean {
  return /(?:^|\/)lib(?:cuda|nvidia-[\w-]+|nvcuvid|amdhip64|hsa-runtime64|ze_intel_gpu|ze_loader)\.so/.test(library);
}
