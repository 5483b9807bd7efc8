import type { ValueInfo } from './proto.js';
import { type Message, WireType } from './wire.js';

export function valueInfo(message: Message): ValueInfo {
  let name = '';
  let dataType = 0;
  let dims: (number | string)[] | undefined;
  message.forEach((field, wire) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 1) name = message.text();
    else if (field === 2) {
      const type = message.message();
      type.forEach((kind, typeWire) => {
        if (kind !== 1 || typeWire !== WireType.LengthDelimited) return false;
        const tensor = type.message();
        tensor.forEach((part, partWire) => {
          if (part === 1 && partWire === WireType.Varint) dataType = tensor.int();
          else if (part === 2 && partWire === WireType.LengthDelimited) dims = shape(tensor.message());
          else return false;
          return true;
        });
        return true;
      });
    } else return false;
    return true;
  });
  return { name, dataType, ...(dims === undefined ? {} : { dims }) };
}

function shape(message: Message): (number | string)[] {
  const dims: (number | string)[] = [];
  message.forEach((field, wire) => {
    if (field !== 1 || wire !== WireType.LengthDelimited) return false;
    const dim = message.message();
    let value: number | string = '?';
    dim.forEach((part, partWire) => {
      if (part === 1 && partWire === WireType.Varint) value = dim.int();
      else if (part === 2 && partWire === WireType.LengthDelimited) value = dim.text() || '?';
      else return false;
      return true;
    });
    dims.push(value);
    return true;
  });
  return dims;
}

export function opsetId(message: Message): [domain: string, version: number] {
  let domain = '';
  let version = 0;
  message.forEach((field, wire) => {
    if (field === 1 && wire === WireType.LengthDelimited) domain = message.text();
    else if (field === 2 && wire === WireType.Varint) version = message.int();
    else return false;
    return true;
  });
  return [domain, version];
}

export function functionName(message: Message): string {
  let name = '';
  let domain = '';
  message.forEach((field, wire) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 1) name = message.text();
    else if (field === 10) domain = message.text();
    else return false;
    return true;
  });
  return `${domain}::${name}`;
}
