import type { Profile } from '#core/model/profile';
import type { NativeSources } from '#core/native/sources';

/** Bytes by place, read synchronously: a file, a recording's entry, a live process's memory. */
export interface ByteSource {
  readonly size: number;
  /** Up to `length` bytes at `offset`; fewer only at the end. Throws UserError where reading fails. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** A running zstd or gzip stream: core has no decompressor of its own, main lends node:zlib. */
export interface Inflater {
  /** What these bytes bring. The stream may never be closed. */
  push(bytes: Uint8Array): Uint8Array;
}

/** What a decoder may ask of its surroundings. */
export interface ReadContext {
  /** Name of the file, for messages and titles. */
  readonly name: string;
  /** A file that stands beside the input (a perf map, an ELF file); null where there is none. */
  readonly openFile: (path: string) => ByteSource | null;
  readonly inflater: (kind: 'zstd' | 'gzip') => Inflater;
  /** Binaries and symbols of the recorded machine, for formats that hold addresses; absent: only what stands beside the input. */
  readonly sources?: NativeSources;
}

export interface ChunkDecoder {
  /** The next bytes, cut anywhere. */
  push(chunk: Uint8Array): void;
  /** No more bytes: keeps what is complete, counts what is not in profile.skipped. Throws UserError when nothing was there to read. */
  end(): void;
}

/** The answer may be that more bytes are wanted: `maybe` loses against a `yes` of another format. */
export type Match = 'yes' | 'maybe' | 'no';

interface FormatFacts {
  readonly id: string;
  /** For people: `perf script text`. */
  readonly title: string;
  /** Ends of file names, with the dot; a hint only, content decides. */
  readonly extensions: readonly string[];
  /** `head` holds the first 64 KB at most, decompressed. */
  match(head: Uint8Array, name: string): Match;
}

/** A format read front to back. */
export interface StreamFormat extends FormatFacts {
  readonly input: 'chunks';
  open(profile: Profile, context: ReadContext): ChunkDecoder;
}

/** A format that has to seek. */
export interface FileFormat extends FormatFacts {
  readonly input: 'file';
  /** Reads it all; `progress` gets bytes done. */
  read(profile: Profile, file: ByteSource, context: ReadContext, progress: (done: number) => void): void;
}

export type Format = StreamFormat | FileFormat;
