// Holds one part of what it allocates and drops four: each turn keeps an array of 64 KiB and drops four of the same size. Says every 20
// turns how many it made.
const PART = 8192;
globalThis.kept = [];
let turns = 0;

function leak() {
  globalThis.kept.push(new Array(PART).fill(turns));
}

function churn() {
  let sum = 0;
  for (let i = 0; i < 4; i++) sum += new Array(PART).fill(i)[turns % PART];
  return sum;
}

setInterval(() => {
  leak();
  churn();
  if (++turns % 20 === 0) console.log(`turns ${turns}`);
}, 10);
console.log('ready', process.pid);
