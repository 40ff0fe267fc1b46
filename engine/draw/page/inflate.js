// Reads the data of the page: JSON, compressed (RFC 1951), in base64. The browser's own
// DecompressionStream would make the page wait for its data.

function readData(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(inflate(bytes)));
}

// Runs a compressed script of the page when it is called first.
function loadScript(id) {
  const holder = document.getElementById(id);
  if (!holder) return;
  holder.remove();
  document.head.append(Object.assign(document.createElement("script"), { textContent: readData(holder.textContent) }));
}

function inflate(bytes) {
  let out = new Uint8Array(8 * bytes.length), size = 0, at = 0, bits = 0, count = 0;

  // Loads at least n bits, the lowest first. Beyond the end of the data, all bits are 0.
  function load(n) {
    for (; count < n; count += 8) {
      bits |= bytes[at] << count;
      at += 1;
    }
  }

  function drop(n) {
    bits >>>= n;
    count -= n;
  }

  function read(n) {
    load(n);
    const value = bits & ((1 << n) - 1);
    drop(n);
    return value;
  }

  // Makes room for n more bytes.
  function reserve(n) {
    if (size + n <= out.length) return;
    const larger = new Uint8Array(2 * (size + n));
    larger.set(out);
    out = larger;
  }

  // A canonical Huffman code as a table: for all next bits the symbol, and the length of its code.
  function createCode(lengths) {
    const longest = Math.max(1, ...lengths), table = new Uint16Array(1 << longest);
    for (let length = 1, code = 0; length <= longest; length += 1, code <<= 1) {
      lengths.forEach((own, symbol) => {
        if (own !== length) return;
        let reversed = 0; // the first bit of a code is the lowest of the next bits
        for (let i = 0; i < length; i += 1) reversed |= ((code >> i) & 1) << (length - 1 - i);
        for (let i = reversed; i < table.length; i += 1 << length) table[i] = (symbol << 4) | length;
        code += 1;
      });
    }
    return { longest, table };
  }

  function readSymbol({ longest, table }) {
    load(longest);
    const entry = table[bits & (table.length - 1)];
    if (!entry) throw new Error("the data of this page is damaged");
    drop(entry & 15);
    return entry >> 4;
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
      reserve(258); // the longest copy
      if (symbol < 256) {
        out[size] = symbol;
        size += 1;
        continue;
      }
      const i = symbol - 257, length = lengthBases[i] + (i < 28 ? read(extra(i, 2)) : 0);
      const k = readSymbol(distances), distance = distanceBases[k] + read(extra(k, 1));
      for (const end = size + length; size < end; size += 1) out[size] = out[size - distance];
    }
  }

  function copyStored() {
    at -= count >> 3; // whole bytes that are loaded
    bits = count = 0;
    const length = bytes[at] | (bytes[at + 1] << 8);
    at += 4;
    reserve(length);
    out.set(bytes.subarray(at, at + length), size);
    size += length;
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
