// Two functions whose shares are 3 to 1, called from a deep stack; optimised code after the first moments.
let sink = 0;

function spin(rounds) {
  let total = 0;
  for (let i = 0; i < rounds; i++) total += (i * i) % 7;
  return total;
}

function hot() {
  sink += spin(300000);
}

function warm() {
  sink += spin(100000);
}

function turn(depth) {
  if (depth > 0) {
    turn(depth - 1);
    return;
  }
  hot();
  warm();
  [3, 1, 2].sort((a, b) => a - b);
}

for (let i = 0; i < 100; i++) turn(8);
console.log('ready', process.pid);
while (sink >= 0) turn(8);
