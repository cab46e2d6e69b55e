// Exact time of a thread from the records of its switches. Samples only share out what these say.
//
//     in          sample       out        in      out (preempted)
//     v             v           v         v        v
//     =============================_______==========.......
//     |<- weight ->||<- pending ->|blocked          waiting
//
// `pending` is time on the CPU that no row carries yet. The next sample takes it; where none comes, it goes to a row of its own.

/** What a thread did in an interval. `waiting`: it could have run and got no CPU. */
export type ThreadState = 'unknown' | 'running' | 'blocked' | 'waiting' | 'gone';

/** Hears of every interval that ended: off-CPU lanes are made of these. */
export type IntervalListener = (state: 'running' | 'blocked' | 'waiting', start: number, end: number) => void;

/** The state machine of one thread. Times are ns in order; a time that lies back counts as the latest one seen. */
export class ThreadClock {
  state: ThreadState = 'unknown';
  /** Start of the present state, or the last moment up to which its time is counted. */
  since: number;
  onCpu = 0;
  waiting = 0;
  blocked = 0;
  /** Time on the CPU that no row carries yet. */
  pending = 0;
  /** Switches that contradicted what was known: the other half was lost. */
  broken = 0;
  #listener: IntervalListener | null;
  /** Where the present state began, for the listener only: `since` moves on with each sample. */
  #began: number;

  /** `from`: since when this thread is watched; what it did then shows with its first record. */
  constructor(from: number, listener: IntervalListener | null = null) {
    this.since = from;
    this.#began = from;
    this.#listener = listener;
  }

  /** A new thread: it can run, but does not yet. */
  created(time: number): void {
    this.#enter('waiting', time);
  }

  switchIn(time: number): void {
    const now = Math.max(time, this.since);
    switch (this.state) {
      case 'unknown':
        // Something that could run would have got a CPU in the time that attaching takes: it slept.
        this.blocked += now - this.since;
        this.#tell('blocked', now);
        break;
      case 'blocked':
        this.blocked += now - this.since;
        this.#tell('blocked', now);
        break;
      case 'waiting':
        this.waiting += now - this.since;
        this.#tell('waiting', now);
        break;
      case 'running':
        // Its way out was lost. It surely ran until it was last seen; what it did since is not known and not counted.
        this.broken++;
        this.#tell('running', this.since);
        break;
      case 'gone':
        return;
    }
    this.#enter('running', now);
  }

  switchOut(time: number, preempted: boolean): void {
    const now = Math.max(time, this.since);
    switch (this.state) {
      case 'unknown':
      case 'running':
        this.#run(now);
        this.#tell('running', now);
        break;
      case 'blocked':
      case 'waiting':
        // Its way in was lost: neither side of the interval can be told.
        this.broken++;
        break;
      case 'gone':
        return;
    }
    this.#enter(preempted ? 'waiting' : 'blocked', now);
  }

  /** A sample taken on the CPU: answers the time it stands for. */
  sample(time: number): number {
    const now = Math.max(time, this.since);
    switch (this.state) {
      case 'unknown':
        this.state = 'running';
        this.#run(now);
        break;
      case 'running':
        this.#run(now);
        break;
      case 'blocked':
      case 'waiting':
        // Its way in was lost. When it came back is not known: it runs from here on.
        this.broken++;
        this.#enter('running', now);
        break;
      case 'gone':
        break;
    }
    return this.takePending();
  }

  /** The thread ended, or the recording did: closes what is open. */
  end(time: number, gone = true): void {
    const now = Math.max(time, this.since);
    switch (this.state) {
      case 'running':
        this.#run(now);
        this.#tell('running', now);
        break;
      case 'unknown':
      case 'blocked':
        this.blocked += now - this.since;
        this.#tell('blocked', now);
        break;
      case 'waiting':
        this.waiting += now - this.since;
        this.#tell('waiting', now);
        break;
      case 'gone':
        return;
    }
    this.#enter(gone ? 'gone' : this.state, now);
  }

  /** Counts the time of a thread that runs up to here. */
  advance(time: number): void {
    if (this.state === 'running') this.#run(Math.max(time, this.since));
  }

  /** Nobody watches from here on: closes what is open. */
  pause(time: number): void {
    if (this.state === 'gone') return;
    this.end(time, false);
    this.#enter('unknown', Math.max(time, this.since));
  }

  /** Watched again after a pause: what it does shows with its next record. */
  resume(time: number): void {
    if (this.state === 'unknown') this.#enter('unknown', Math.max(time, this.since));
  }

  takePending(): number {
    const pending = this.pending;
    this.pending = 0;
    return pending;
  }

  #run(now: number): void {
    const ran = Math.max(0, now - this.since);
    this.onCpu += ran;
    this.pending += ran;
    this.since = Math.max(this.since, now);
  }

  #enter(state: ThreadState, now: number): void {
    this.state = state;
    this.since = now;
    this.#began = now;
  }

  #tell(state: 'running' | 'blocked' | 'waiting', end: number): void {
    if (this.#listener !== null && end > this.#began) this.#listener(state, this.#began, end);
  }
}
