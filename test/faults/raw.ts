import { connect } from "node:net";

const ANSWERS_WITHIN_MS = 20_000;
const PATIENCE_MS = 1_000;
const ANSWER_BYTES_MOST = 1_000_000;

/** What came back on a socket; status 0 where it was closed without an answer. */
export type RawEnd = { readonly status: number; readonly text: string };

/**
 * Writes bytes to the server of `url` exactly as given and reads its answer. Rejects where none comes in time, unless the
 * bytes are `mayBePartial`: a server rightly waits for the rest of a request.
 */
export function exchange(url: string, bytes: string | Buffer, { mayBePartial = false }: { readonly mayBePartial?: boolean } = {}): Promise<RawEnd> {
	const { hostname, port } = new URL(url);
	return new Promise((resolve, reject) => {
		let text = "";
		const socket = connect(Number(port), hostname, () => socket.write(bytes));
		const end = (): void => {
			socket.destroy();
			resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text });
		};
		socket.setEncoding("latin1");
		socket.setTimeout(mayBePartial ? PATIENCE_MS : ANSWERS_WITHIN_MS, () => {
			if (mayBePartial) return end();
			socket.destroy();
			reject(new Error(`no answer within ${ANSWERS_WITHIN_MS} ms to ${String(bytes).slice(0, 200)}`));
		});
		socket.on("data", (chunk: string) => {
			text += chunk;
			if (isWhole(text) || text.length > ANSWER_BYTES_MOST) end();
		});
		socket.on("error", end); // a connection reset in the middle of a refused body is an answer, too
		socket.on("close", end);
	});
}

/** A connection that stays open does not say by closing that the answer is over. */
function isWhole(text: string): boolean {
	const bodyAt = text.indexOf("\r\n\r\n") + 4;
	const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, bodyAt))?.[1];
	return bodyAt > 3 && length !== undefined && text.length >= bodyAt + Number(length);
}
