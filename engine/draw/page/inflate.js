// Reads the data of the page: JSON, compressed (RFC 1951), in base64. The browser's own
// DecompressionStream would make the page wait for its data.

function readData(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(inflate(bytes)));
}

function inflate(bytes) {
  let out = new Uint8Array(8 * bytes.length), size = 0, at = 0, bits = 0, count = 0;

  function read(n) { // n bits, the lowest first
    while (count < n) {
      bits |= bytes[at] << count;
      at += 1;
      count += 8;
    }
    const value = bits & ((1 << n) - 1);
    bits >>>= n;
    count -= n;
    return value;
  }

  function write(byte) {
    if (size === out.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(out);
      out = larger;
    }
    out[size] = byte;
    size += 1;
  }

  // A canonical Huffman code, by the number of codes of each length and the symbols in their order.
  function createCode(lengths) {
    const counts = new Uint16Array(16), symbols = [];
    for (const length of lengths) if (length) counts[length] += 1;
    for (let length = 1; length < 16; length += 1) lengths.forEach((own, symbol) => own === length && symbols.push(symbol));
    return { counts, symbols };
  }

  function readSymbol({ counts, symbols }) {
    for (let length = 1, code = 0, first = 0, index = 0; length < 16; length += 1) {
      code |= read(1);
      if (code < first + counts[length]) return symbols[index + code - first];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    throw new Error("the data of this page is damaged");
  }

  function readCodes() {
    const literals = read(5) + 257, distances = read(5) + 1, lengths = new Array(19).fill(0);
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    for (let i = read(4) + 4, k = 0; k < i; k += 1) lengths[order[k]] = read(3);
    const code = createCode(lengths), all = [];
    while (all.length < literals + distances) {
      const symbol = readSymbol(code);
      if (symbol < 16) all.push(symbol);
      else if (symbol === 16) all.push(...new Array(read(2) + 3).fill(all.at(-1)));
      else all.push(...new Array(symbol === 17 ? read(3) + 3 : read(7) + 11).fill(0));
    }
    return [createCode(all.slice(0, literals)), createCode(all.slice(literals))];
  }

  const fixed = () => [createCode(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))), createCode(new Array(30).fill(5))];
  const extra = (i, shift) => Math.max(0, (i >> shift) - 1), bases = (n, first, shift) => {
    const values = [first];
    for (let i = 0; i < n - 1; i += 1) values.push(values[i] + (1 << extra(i, shift)));
    return values;
  };
  const lengthBases = bases(28, 3, 2), distanceBases = bases(30, 1, 1);
  lengthBases.push(258); // its own symbol, without extra bits

  function copyBlock([literals, distances]) {
    for (let symbol = readSymbol(literals); symbol !== 256; symbol = readSymbol(literals)) {
      if (symbol < 256) {
        write(symbol);
        continue;
      }
      const i = symbol - 257, length = lengthBases[i] + (i < 28 ? read(extra(i, 2)) : 0);
      const k = readSymbol(distances), distance = distanceBases[k] + read(extra(k, 1));
      for (let n = 0; n < length; n += 1) write(out[size - distance]);
    }
  }

  function copyStored() {
    bits = count = 0;
    const length = bytes[at] | (bytes[at + 1] << 8);
    at += 4;
    for (let n = 0; n < length; n += 1) write(bytes[at + n]);
    at += length;
  }

  for (let last = 0; !last;) {
    last = read(1);
    const kind = read(2);
    if (kind === 0) copyStored();
    else copyBlock(kind === 1 ? fixed() : readCodes());
  }
  return out.subarray(0, size);
}
