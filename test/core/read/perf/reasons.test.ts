// Why a thread waits, told from kernel stacks as Linux 5.10 to 6.18 makes them.
import { expect, test } from 'vitest';
import { REASONS } from '#core/analyze/colour';
import { isGpuLibrary, tipOf, tipOfChannel } from '#core/read/perf/reasons';

const SYSCALL = 'do_syscall_64 entry_SYSCALL_64_after_hwframe';

/** Leaf first, as perf gives them; what the tip is called. */
const STACKS: readonly (readonly [string, string])[] = [
  [`__schedule schedule do_nanosleep hrtimer_nanosleep common_nsleep __x64_sys_clock_nanosleep ${SYSCALL}`, 'sleep: hrtimer_nanosleep'],
  [`__schedule schedule do_nanosleep hrtimer_nanosleep __x64_sys_nanosleep x64_sys_call ${SYSCALL}`, 'sleep: hrtimer_nanosleep'],
  [`__schedule schedule do_sigtimedwait.isra.0 __x64_sys_rt_sigtimedwait ${SYSCALL}`, 'sleep: do_sigtimedwait'],
  [`__schedule schedule __x64_sys_pause ${SYSCALL}`, 'sleep: __x64_sys_pause'],
  [`__schedule schedule futex_do_wait __futex_wait futex_wait do_futex __x64_sys_futex ${SYSCALL}`, 'lock: futex_do_wait'],
  [`__schedule schedule futex_wait_queue __futex_wait futex_wait do_futex __x64_sys_futex ${SYSCALL}`, 'lock: futex_wait_queue'],
  [`__schedule schedule futex_wait_queue_me futex_wait do_futex __x64_sys_futex ${SYSCALL}`, 'lock: futex_wait_queue_me'],
  [`__schedule schedule schedule_preempt_disabled __mutex_lock.constprop.0 pipe_write vfs_write ksys_write ${SYSCALL}`, 'lock: __mutex_lock'],
  [`__schedule schedule schedule_preempt_disabled rwsem_down_write_slowpath down_write_killable __vm_munmap __x64_sys_munmap ${SYSCALL}`, 'lock: rwsem_down_write_slowpath'],
  ['__schedule schedule schedule_preempt_disabled rwsem_down_read_slowpath down_read lock_mm_and_find_vma do_user_addr_fault exc_page_fault asm_exc_page_fault', 'lock: rwsem_down_read_slowpath'],
  [`__schedule schedule schedule_timeout __do_semtimedop do_semtimedop __x64_sys_semop ${SYSCALL}`, 'lock: __do_semtimedop'],
  [`__schedule schedule flock_lock_inode_wait locks_lock_inode_wait __do_sys_flock ${SYSCALL}`, 'lock: flock_lock_inode_wait'],
  [`__schedule schedule schedule_hrtimeout_range_clock poll_schedule_timeout.constprop.0 do_poll.constprop.0 do_sys_poll __x64_sys_poll ${SYSCALL}`, 'pipe, socket: do_poll'],
  [`__schedule schedule schedule_hrtimeout_range_clock schedule_hrtimeout_range do_select core_sys_select __x64_sys_pselect6 ${SYSCALL}`, 'pipe, socket: do_select'],
  [`__schedule schedule schedule_hrtimeout_range ep_poll do_epoll_wait __x64_sys_epoll_wait ${SYSCALL}`, 'pipe, socket: ep_poll'],
  [`__schedule schedule anon_pipe_read vfs_read ksys_read __x64_sys_read ${SYSCALL}`, 'pipe, socket: anon_pipe_read'],
  [`__schedule schedule pipe_wait_readable pipe_read vfs_read ksys_read ${SYSCALL}`, 'pipe, socket: pipe_wait_readable'],
  [`__schedule schedule schedule_timeout unix_stream_data_wait unix_stream_read_generic unix_stream_recvmsg sock_recvmsg __sys_recvfrom ${SYSCALL}`, 'pipe, socket: unix_stream_data_wait'],
  [`__schedule schedule schedule_timeout wait_woken sk_wait_data tcp_recvmsg_locked tcp_recvmsg inet_recvmsg ${SYSCALL}`, 'pipe, socket: sk_wait_data'],
  [`__schedule schedule schedule_timeout inet_csk_accept inet_accept do_accept __sys_accept4 ${SYSCALL}`, 'pipe, socket: inet_csk_accept'],
  [`__schedule schedule schedule_timeout __skb_wait_for_more_packets __skb_recv_udp udp_recvmsg ${SYSCALL}`, 'pipe, socket: __skb_wait_for_more_packets'],
  [`__schedule schedule eventfd_read vfs_read ksys_read ${SYSCALL}`, 'pipe, socket: eventfd_read'],
  [`__schedule schedule schedule_timeout wait_woken n_tty_read tty_read vfs_read ${SYSCALL}`, 'pipe, socket: n_tty_read'],
  [`__schedule schedule io_schedule folio_wait_bit_common filemap_get_pages filemap_read ext4_file_read_iter vfs_read ${SYSCALL}`, 'disk: folio_wait_bit_common'],
  [`__schedule schedule io_schedule bit_wait_io __wait_on_bit out_of_line_wait_on_bit __wait_on_buffer ext4_bread ${SYSCALL}`, 'disk: __wait_on_buffer'],
  [`__schedule schedule io_schedule_timeout __iomap_dio_rw iomap_dio_rw xfs_file_dio_read ${SYSCALL}`, 'disk: __iomap_dio_rw'],
  [`__schedule schedule jbd2_log_wait_commit ext4_fsync_journal ext4_sync_file __x64_sys_fsync ${SYSCALL}`, 'disk: jbd2_log_wait_commit'],
  [`__schedule schedule io_schedule blk_mq_get_tag __blk_mq_alloc_requests submit_bio_noacct ${SYSCALL}`, 'disk: blk_mq_get_tag'],
  [`__schedule schedule rpc_wait_bit_killable __wait_on_bit __rpc_execute nfs4_call_sync_sequence ${SYSCALL}`, 'disk: rpc_wait_bit_killable'],
  [`__schedule schedule request_wait_answer fuse_simple_request fuse_read_folio ${SYSCALL}`, 'disk: request_wait_answer'],
  ['__schedule schedule io_schedule folio_wait_bit_common filemap_fault __do_fault do_read_fault handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault', 'page fault: folio_wait_bit_common'],
  ['__schedule schedule handle_userfault do_anonymous_page handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault', 'page fault: handle_userfault'],
  [`__schedule schedule do_wait kernel_wait4 __do_sys_wait4 ${SYSCALL}`, 'child: do_wait'],
  [`__schedule schedule do_wait kernel_waitid __do_sys_waitid ${SYSCALL}`, 'child: do_wait'],
  [`__schedule schedule schedule_timeout wait_for_completion_state kernel_clone __x64_sys_vfork ${SYSCALL}`, 'child: kernel_clone'],
  [`__schedule schedule ptrace_stop ptrace_do_notify ptrace_notify syscall_exit_work ${SYSCALL}`, '[stopped by a profiler]'],
  ['__schedule schedule do_signal_stop get_signal arch_do_signal_or_restart exit_to_user_mode_loop irqentry_exit_to_user_mode', '[stopped by a profiler]'],
  [`__schedule schedule nvidia_poll do_sys_poll ${SYSCALL}`, 'GPU wait: nvidia_poll'],
  [`__schedule schedule schedule_timeout dma_fence_default_wait dma_fence_wait_timeout amdgpu_cs_wait_ioctl ${SYSCALL}`, 'GPU wait: dma_fence_default_wait'],
  [`__schedule schedule something_new __x64_sys_something ${SYSCALL}`, 'waiting: something_new'],
  [`__schedule schedule ${SYSCALL}`, '[waiting]'],
  ['[kernel] [kernel]', '[waiting]'],
  ['', '[waiting]'],
];

test('the reason and where, from the kernel\'s functions', () => {
  const told = STACKS.map(([stack]) => [stack, tipOf(stack.split(' ').filter((name) => name !== ''), false)]);
  expect(told).toEqual(STACKS);
});

test('every reason has a colour', () => {
  for (const [stack] of STACKS) {
    const tip = tipOf(stack.split(' '), false);
    const reason = tip.split(': ')[0];
    if (!tip.startsWith('[') && reason !== 'waiting') expect(REASONS).toContain(reason);
  }
});

test('what /proc names is one function, which says less', () => {
  expect(['futex_do_wait', 'hrtimer_nanosleep', 'do_nanosleep', 'poll_schedule_timeout.constprop.0', 'do_wait', 'anon_pipe_read', 'wait_woken', 'io_schedule', 'ptrace_stop', 'schedule', 'something_new'].map(tipOfChannel)).toEqual([
    'lock: futex_do_wait', 'sleep: hrtimer_nanosleep', 'sleep: do_nanosleep', 'pipe, socket: poll_schedule_timeout', 'child: do_wait', 'pipe, socket: anon_pipe_read', 'pipe, socket: wait_woken',
    'disk: io_schedule', '[stopped by a profiler]', '[waiting]', 'waiting: something_new',
  ]);
});

test('a program inside a GPU\'s driver waits for the GPU, whatever it calls', () => {
  expect(tipOf(`__schedule schedule schedule_hrtimeout_range do_poll.constprop.0 do_sys_poll ${SYSCALL}`.split(' '), true)).toBe('GPU wait: do_poll');
  expect(tipOf([], true)).toBe('GPU wait');
  expect(['/usr/lib/x86_64-linux-gnu/libcuda.so.1', 'libcuda.so.550.54', '/opt/rocm/lib/libamdhip64.so.6', '/usr/lib/libc.so.6', '/opt/libcudart.so.12'].map(isGpuLibrary))
    .toEqual([true, true, true, false, false]);
});
