import { describe, expect, test } from 'vitest';
import type { Runtime } from '#core/protocol/api';
import { containerOf } from '../../../main/processes/list.ts';
import { isLauncher, nameOf } from '../../../main/processes/names.ts';
import { parseStat } from '../../../main/processes/proc.ts';

describe('a process is called by what it runs', () => {
  const cases: [Runtime, string, string, boolean][] = [
    ['python', 'python train.py --lr 1', 'train.py', false],
    ['python', '/usr/bin/python3 -u -X dev -W ignore /srv/app/train.py', 'train.py', false],
    ['python', 'python3.11 -m pytest -q', 'pytest', false],
    ['python', 'python3 -c print(1)', 'python3 -c', false],
    ['python', 'python3 -c from\u00a0multiprocessing.resource_tracker\u00a0import\u00a0main;main(5)', 'multiprocessing.resource_tracker', false],
    ['python', 'python3', 'python3', false],
    ['python', '/opt/env/bin/python /opt/env/bin/torchrun --nproc-per-node 8 train.py', 'torchrun', true],
    ['python', 'python -m torch.distributed.run train.py', 'torch.distributed.run', true],
    ['python', '/usr/bin/python3 /usr/bin/accelerate launch train.py', 'accelerate', true],
    ['node', 'node --import tsx -r dotenv/config server.js', 'server.js', false],
    ['node', 'node -e 1', 'node', false],
    ['java', 'java -Xmx1g -cp a:b org.example.Main x', 'Main', false],
    ['java', 'java -jar /srv/kafka.jar', 'kafka.jar', false],
    ['native', 'sh -c make', 'sh', true],
    ['native', '-bash', 'bash', true],
    ['native', 'bash -e ./run.sh 4', 'run.sh', true],
    ['native', 'make -j8', 'make', true],
    ['native', './server --port 1', 'server', false],
    ['native', 'nginx:\u00a0worker\u00a0process', 'nginx: worker process', false],
  ];
  test.each(cases)('%s: %s', (runtime, command, name, launcher) => {
    const argv = command.split(' ').map((word) => word.replaceAll('\u00a0', ' '));
    expect(nameOf(argv, 'comm', runtime, argv[0])).toBe(name);
    expect(isLauncher(name, argv, argv[0])).toBe(launcher);
  });
});

test('a program name with brackets and spaces does not shift the fields of stat', () => {
  const stat = parseStat('42 (a) (b c) R 7 42 42 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 5 0 9000 1000 25 18446744073709551615\n');
  expect(stat).toMatchObject({ pid: 42, comm: 'a) (b c', state: 'R', ppid: 7, kernel: false, ticks: 42, threads: 5, start: 9000, rss: 25 * 4096 });
  expect(parseStat('')).toBeNull();
  expect(parseStat('42 (cut off')).toBeNull();
});

test('container ids of docker, podman, Kubernetes and none', () => {
  const id = 'a1b2c3d4e5f6'.padEnd(64, '0');
  expect(containerOf(`0::/system.slice/docker-${id}.scope\n`)).toBe('a1b2c3d4e5f6');
  expect(containerOf(`12:cpu:/docker/${id}\n`)).toBe('a1b2c3d4e5f6');
  expect(containerOf(`0::/user.slice/libpod-${id}.scope/container\n`)).toBe('a1b2c3d4e5f6');
  expect(containerOf(`0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-${id}.scope\n`)).toBe('a1b2c3d4e5f6');
  expect(containerOf('4:memory:/process_api/21ab5378b4b9b6491b8e90663cbfaea5\n0::/\n')).toBe('');
});
