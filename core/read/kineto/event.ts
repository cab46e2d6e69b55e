/** One event: the fields that we know, -1 (or NaN) where it has none. The scanner uses one object for all of them. */
export class TraceEvent {
  /** Character code of the phase; 0 = none. */
  phase = 0;
  /** Row of `categories`, `names`, `ids` (pid and tid as texts) of the scanner. */
  category = -1;
  name = -1;
  pid = -1;
  tid = -1;
  /** Time: whole microseconds, and nanoseconds beside them. NaN = none. */
  micros = NaN;
  nanos = 0;
  /** ns; -1 = none. */
  duration = -1;
  /** Id of a flow. */
  flow = -1;
  external = -1;
  correlation = -1;
  stream = NaN;
  device = NaN;
  /** Bytes copied, set or allocated (negative: freed). NaN = none. */
  bytes = NaN;
  address = NaN;
  allocated = NaN;
  reserved = NaN;
  /** 0 CPU, 1 CUDA. */
  deviceType = NaN;
  pythonId = -1;
  pythonParent = -1;
  pythonThread = -1;
  sequence = -1;
  forwardThread = -1;
  order = -1;
  graph = -1;
  graphNode = -1;
  /** Rows of `texts` and `names`. */
  callStack = -1;
  argName = -1;
  /** Where it begins in the unpacked file. */
  place = 0;

  reset(place: number): void {
    this.phase = 0;
    this.category = this.name = this.pid = this.tid = this.duration = this.flow = this.external = this.correlation = -1;
    this.micros = this.stream = this.device = this.bytes = this.address = this.allocated = this.reserved = this.deviceType = NaN;
    this.pythonId = this.pythonParent = this.pythonThread = this.sequence = this.forwardThread = this.order = this.graph = this.graphNode = -1;
    this.callStack = this.argName = -1;
    this.nanos = 0;
    this.place = place;
  }
}

export interface TraceSink {
  /** Valid during the call. */
  event(event: TraceEvent): void;
  /** A value beside the list of events, as its JSON text; only those up to 1 MB. */
  headerValue(key: string, text: string): void;
}
