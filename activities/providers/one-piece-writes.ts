import type { Socket } from "node:net";
import type { buildConnector } from "undici";

/** What is copied into one text at most, of requests and of answers; up to about here a socket writes a text without another buffer (node, src/stream_base.cc, WriteString). */
export const ONE_PIECE_BYTES_MAX = 16_384;

/** As Node hands them to `_writev`. */
type Chunk = { readonly chunk: unknown; readonly encoding: BufferEncoding };

/**
 * Connections on which what is corked leaves as one text: undici corks the head of a request, a latin1 text, and its body, bytes, for which Node gathers
 * a list of buffers, at some 3 % of what a call takes; over TLS they would be two records. What is longer leaves as it would.
 */
export function inOnePiece(connect: buildConnector.connector): buildConnector.connector {
	return (options, callback) => {
		connect(options, (...result) => {
			const [, socket] = result;
			// Where it failed undici says nothing of a socket, whatever its types say.
			if (socket != null) writeInOnePiece(socket);
			callback(...result);
		});
	};
}

/** Also for any other `Writable` whose `_write` takes texts. */
export function writeInOnePiece(socket: Pick<Socket, "_write" | "_writev">): void {
	const writeApart = socket._writev?.bind(socket);
	socket._writev = (chunks: Chunk[], callback) => {
		const text = joined(chunks);
		if (text !== undefined) socket._write(text, "latin1", callback);
		else writeApart?.(chunks as Parameters<typeof writeApart>[0], callback);
	};
}

/** Every byte is one character of latin1. undefined: it is too long, or holds a text that is not latin1. */
function joined(chunks: readonly Chunk[]): string | undefined {
	let text = "";
	for (const { chunk, encoding } of chunks) {
		if (typeof chunk === "string" && encoding === "latin1") text += chunk;
		else if (Buffer.isBuffer(chunk) && text.length + chunk.length <= ONE_PIECE_BYTES_MAX) text += chunk.toString("latin1");
		else return undefined;
	}
	return text.length <= ONE_PIECE_BYTES_MAX ? text : undefined;
}
