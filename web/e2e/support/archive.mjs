// The files of a ZIP archive that stores them as they are.

/** Bytes by name. */
export function entries(archive) {
  const files = new Map();
  let at = 0;
  while (archive.readUInt32LE(at) === 0x04034b50) {
    const [size, name, extra] = [archive.readUInt32LE(at + 18), archive.readUInt16LE(at + 26), archive.readUInt16LE(at + 28)];
    const begin = at + 30 + name + extra;
    files.set(archive.toString("utf8", at + 30, at + 30 + name), archive.subarray(begin, begin + size));
    at = begin + size;
  }
  return files;
}
