/** ModelProto.metadata_props: key and value strings at the top level of the file, where entries can come and go freely. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ByteRange } from './proto.js';
import { Message, stringPair } from './wire.js';

const METADATA_PROPS = 14;

/** Whole entries (tag included) whose key is one of `keys`; a second entry under a key would make the file invalid. */
export function findMetadataEntries(model: Uint8Array, keys: ReadonlySet<string>): ByteRange[] {
  const found: ByteRange[] = [];
  const reader = new BinaryReader(model);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    if (field === METADATA_PROPS && wire === WireType.LengthDelimited) {
      const [key] = stringPair(new Message(reader.bytes()));
      if (keys.has(key)) found.push({ start, end: reader.pos });
    } else {
      reader.skip(wire, field);
    }
  }
  return found;
}

/** Entries to append at the end of a model file. */
export function encodeMetadataEntries(entries: ReadonlyMap<string, string>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [key, value] of entries) {
    writer.tag(METADATA_PROPS, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key);
    writer.tag(2, WireType.LengthDelimited).string(value);
    writer.join();
  }
  return writer.finish();
}
