// What stands beside the events of a trace, before or after them.
import type { Json } from '../json.ts';
import { asArray, asNumber, asText, isObject } from '../json.ts';

const KEPT = new Set(['schemaVersion', 'deviceProperties', 'distributedInfo', 'baseTimeNanoseconds', 'host_name', 'traceName', 'cuda_runtime_version', 'cuda_driver_version', 'hip_runtime_version']);

export class TraceHeader {
  /** Wall-clock ns that the events' times are counted from; 0 where they are absolute. */
  base = 0n;
  schema = '';
  host = '';
  traceName = '';
  /** Names of the GPUs by number. */
  readonly devices = new Map<number, string>();
  /** Whether the list of GPUs has come. */
  tellsDevices = false;
  /** Rank in a distributed run, -1 = none is told. */
  toldRank = -1;
  worldSize = 0;
  cuda = '';

  /** A value's JSON text. What is damaged is left as it was. */
  take(key: string, text: string): void {
    if (!KEPT.has(key)) return;
    if (key === 'baseTimeNanoseconds') {
      // More digits than a number holds.
      if (/^"?-?\d{1,20}"?$/.test(text)) this.base = BigInt(text.replaceAll('"', ''));
      return;
    }
    let value: Json;
    try {
      value = JSON.parse(text) as Json;
    } catch {
      return;
    }
    switch (key) {
      case 'schemaVersion': this.schema = asText(value); break;
      case 'host_name': this.host = asText(value); break;
      case 'traceName': this.traceName = asText(value); break;
      case 'cuda_runtime_version': this.cuda = version(asNumber(value, 0)); break;
      case 'deviceProperties':
        this.tellsDevices = true;
        for (const device of asArray(value)) {
          if (isObject(device) && asText(device['name']) !== '') this.devices.set(asNumber(device['id'], this.devices.size), asText(device['name']));
        }
        break;
      case 'distributedInfo':
        if (isObject(value)) {
          this.toldRank = Math.trunc(asNumber(value['rank'], -1));
          this.worldSize = Math.trunc(asNumber(value['world_size'], 0));
        }
        break;
      default:
    }
  }

  /** The rank that the trace tells, or that its file's name has. */
  rank(fileName: string): number {
    if (this.toldRank >= 0 && this.toldRank < 0x7fffffff) return this.toldRank;
    const match = /(?:^|[^a-z])rank[-_. ]?(\d{1,7})(?!\d)/i.exec(fileName);
    return match === null ? -1 : Number(match[1]);
  }
}

/** `12.4` of 12040. */
function version(number: number): string {
  return number > 0 ? `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}` : '';
}
