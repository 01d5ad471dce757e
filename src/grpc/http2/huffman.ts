/**
 * The symbols of HPACK's Huffman code by the length of their codes, in hexadecimal (RFC 7541 Appendix B). The code is
 * canonical: codes of one length are consecutive numbers in the order of their symbols. EOS has the last code.
 */
const symbolsByLength: readonly (readonly [length: number, symbols: string])[] = [
  [5, "303132616365696f7374"],
  [6, "20252d2e2f333435363738393d415f62646667686c6d6e707275"],
  [7, "3a42434445464748494a4b4c4d4e4f5051525354555657596a6b71767778797a"],
  [8, "262a2c3b585a"],
  [10, "212228293f"],
  [11, "272b7c"],
  [12, "233e"],
  [13, "0024405b5d7e"],
  [14, "5e7d"],
  [15, "3c607b"],
  [19, "5cc3d0"],
  [20, "808283a2b8c2e0e2"],
  [21, "99a1a7acb0b1b3d1d8d9e3e5e6"],
  [22, "8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9"],
  [23, "0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef"],
  [24, "098e9091949fabced7e1eced"],
  [25, "c7cfeaeb"],
  [26, "c0c1c8c9cacdd2d5dadbeef0f2f3ff"],
  [27, "cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe"],
  [28, "020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9"],
  [30, "0a0d16"],
];

/** The node that follows EOS; no other node follows it. The code has 256 inner nodes, the root is 0. */
const failed = 256;

/** The code as a tree: at `2 * node + bit` is the next node, or the complement of the symbol that ends with this bit. */
function createTree(): Int16Array {
  const tree = new Int16Array(2 * (failed + 1)).fill(failed, 2 * failed);
  let nodes = 1;
  let code = 0;
  let codeLength = 0;
  for (const [length, symbols] of symbolsByLength) {
    code <<= length - codeLength;
    codeLength = length;
    for (const symbol of Buffer.from(symbols, "hex")) {
      let node = 0;
      for (let bit = length - 1; bit > 0; bit -= 1) node = tree[2 * node + ((code >> bit) & 1)] ||= nodes++;
      tree[2 * node + (code & 1)] = ~symbol;
      code += 1;
    }
  }
  // Only EOS is left.
  tree[tree.indexOf(0)] = failed;
  return tree;
}

/** A transition has the next node in its lowest bits, then the symbol that ended, if one did, then these flags. */
const nodeBits = 9;
const hasSymbol = 1 << 17;
/** The string may end here: what follows the last symbol is padding, the first 0 to 7 bits of EOS (RFC 7541 §5.2). */
const mayEnd = 1 << 18;

/** At `16 * node + bits`, what four bits after a node lead to. */
const transitions = createTransitions(createTree());

function createTransitions(tree: Int16Array): Int32Array {
  const padding: number[] = [];
  for (let node = 0; padding.length < 8; node = tree[2 * node + 1] ?? failed) padding.push(node);
  return Int32Array.from({ length: 16 * (failed + 1) }, (_, index) => {
    let node = index >> 4;
    let symbol = 0;
    for (let bit = 3; bit >= 0; bit -= 1) {
      node = tree[2 * node + ((index >> bit) & 1)] ?? failed;
      if (node >= 0) continue;
      symbol = hasSymbol | (~node << nodeBits);
      node = 0;
    }
    return node | symbol | (padding.includes(node) ? mayEnd : 0);
  });
}

/** Holds the symbols of one string while it is decoded. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** Decodes a string, one character for each byte; undefined if it has EOS or wrong padding (RFC 7541 §5.2). */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  // The shortest code has five bits.
  const maxLength = Math.ceil(((end - start) * 8) / 5);
  const symbols = maxLength > scratch.length ? Buffer.allocUnsafeSlow(maxLength) : scratch;
  let length = 0;
  let transition = mayEnd;
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index] ?? 0;
    transition = transitions[((transition & 0x1ff) << 4) | (byte >> 4)] ?? failed;
    if ((transition & hasSymbol) !== 0) symbols[length++] = transition >> nodeBits;
    transition = transitions[((transition & 0x1ff) << 4) | (byte & 15)] ?? failed;
    if ((transition & hasSymbol) !== 0) symbols[length++] = transition >> nodeBits;
  }
  return (transition & mayEnd) === 0 ? undefined : symbols.toString("latin1", 0, length);
}
