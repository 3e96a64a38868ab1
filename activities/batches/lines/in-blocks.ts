/** Of about this size, so that many short lines make few writes. */
const BLOCK_BYTES = 65_536;

/** The same bytes in larger pieces. */
export async function* inBlocks(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
	let block: Uint8Array[] = [];
	let blockBytes = 0;
	for await (const line of lines) {
		block.push(line);
		blockBytes += line.length;
		if (blockBytes < BLOCK_BYTES) continue;
		yield Buffer.concat(block, blockBytes);
		block = [];
		blockBytes = 0;
	}
	if (blockBytes > 0) yield Buffer.concat(block, blockBytes);
}
