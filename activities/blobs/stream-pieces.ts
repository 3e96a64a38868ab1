/** The same bytes in pieces of exactly `pieceBytes`, the last as long as it is; none where there are no bytes. */
export async function* inPieces(source: AsyncIterable<Uint8Array>, pieceBytes: number): AsyncGenerator<Buffer> {
	let piece = Buffer.allocUnsafe(pieceBytes);
	let filled = 0;
	for await (const chunk of source) {
		for (let taken = 0; taken < chunk.length; ) {
			const part = chunk.subarray(taken, taken + pieceBytes - filled);
			piece.set(part, filled);
			taken += part.length;
			filled += part.length;
			if (filled < pieceBytes) continue;
			yield piece;
			piece = Buffer.allocUnsafe(pieceBytes);
			filled = 0;
		}
	}
	if (filled > 0) yield piece.subarray(0, filled);
}

/** The bytes from the one with this number on. */
export async function* withoutStart(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
	let left = bytes;
	for await (const chunk of source) {
		const rest = chunk.subarray(left);
		left -= chunk.length - rest.length;
		if (rest.length > 0) yield rest;
	}
}
