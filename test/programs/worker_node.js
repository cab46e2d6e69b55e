// The main thread works for about a third of its time and waits for the rest; one worker works nearly always.
import { Worker, isMainThread } from 'node:worker_threads';

function work(ms) {
  const end = process.hrtime.bigint() + BigInt(ms * 1e6);
  let sum = 0;
  while (process.hrtime.bigint() < end) for (let i = 0; i < 2000; i++) sum += i % 7;
  return sum;
}

function inMain() {
  work(20);
  setTimeout(inMain, 40);
}

function inWorker() {
  work(50);
  setImmediate(inWorker);
}

if (isMainThread) {
  new Worker(new URL(import.meta.url));
  inMain();
  console.log('ready', process.pid);
} else {
  inWorker();
}
