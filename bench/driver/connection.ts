import { connect, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.ts";
import { type LoadTarget, NONCE, NONCE_BEFORE, nonceOf, offsetsOf } from "./load-target.ts";

/** How a call ended: as it should, with the wrong bytes, or not at all. */
export type CallEnd = "right" | "wrong" | "failed";

export type CallListener = {
	/** A piece of the body, for streams. */
	onBody?(piece: Buffer): void;
	/** `why`: of one that failed, in a few words that are the same for all that failed so. */
	onEnd(end: CallEnd, why?: string): void;
};

/** One keep-alive connection with at most one call on it; request and expected answer are built once and patched per call. */
export class LoadConnection {
	private readonly socket: Socket;
	private readonly request: Buffer;
	private readonly requestNonceOffsets: readonly number[];
	private readonly nonceBeforeOffsets: readonly number[];
	private readonly authorizations: readonly string[];
	private readonly authorizationAt: number;
	private readonly runs: readonly string[];
	private readonly runAt: number;
	private readonly expected: Buffer;
	private readonly nonceOffsets: readonly number[];
	private readonly reader = new AnswerReader();
	private listener: CallListener | undefined;
	isOpen = true;

	constructor(target: LoadTarget) {
		const [authorization = ""] = target.authorizations;
		this.authorizations = target.authorizations;
		this.request = Buffer.from(requestText(target, authorization));
		this.authorizationAt = this.request.indexOf(authorization);
		this.runs = target.runs ?? [];
		this.runAt = this.request.indexOf(this.runs[0] ?? "");
		this.requestNonceOffsets = offsetsOf(this.request, NONCE);
		this.nonceBeforeOffsets = offsetsOf(this.request, NONCE_BEFORE);
		this.expected = Buffer.from(target.answer.bytes);
		this.nonceOffsets = target.answer.nonceOffsets;
		this.socket = connect({ host: "127.0.0.1", port: target.port, noDelay: true });
		this.socket.on("data", (bytes: Buffer) => this.take(bytes));
		this.socket.on("error", () => this.close());
		this.socket.on("close", () => this.close());
	}

	/** Resolves once connected; rejects when it cannot be. */
	whenConnected(): Promise<void> {
		if (!this.socket.connecting) return Promise.resolve();
		return new Promise((resolve, reject) => {
			this.socket.once("connect", resolve);
			this.socket.once("error", reject);
		});
	}

	/** Sends a call; the connection must be open and idle. */
	send(call: number, listener: CallListener): void {
		const nonce = nonceOf(call);
		for (const offset of this.requestNonceOffsets) this.request.write(nonce, offset, "latin1");
		if (this.nonceBeforeOffsets.length > 0) this.patchNonceBefore(call);
		if (this.runs.length > 1) this.request.write(this.runs[call % this.runs.length] ?? "", this.runAt, "latin1");
		if (this.authorizations.length > 1) this.request.write(this.authorizations[call % this.authorizations.length] ?? "", this.authorizationAt, "latin1");
		for (const offset of this.nonceOffsets) this.expected.write(nonce, offset, "latin1");
		this.reader.reset();
		this.listener = listener;
		this.socket.write(this.request);
	}

	close(): void {
		if (this.isOpen) this.socket.destroy();
		this.isOpen = false;
		this.end("failed", "the connection was closed");
	}

	/** Runs take turns: the call before in the same one is as many calls back as there are runs. */
	private patchNonceBefore(call: number): void {
		const before = nonceOf(Math.max(0, call - Math.max(1, this.runs.length)));
		for (const offset of this.nonceBeforeOffsets) this.request.write(before, offset, "latin1");
	}

	private take(bytes: Buffer): void {
		const { listener } = this;
		// Bytes nobody asked for: whoever sent them has lost count.
		const step = listener === undefined ? "broken" : this.reader.push(bytes, listener.onBody);
		if (step === "more") return;
		if (step === "broken") {
			this.close();
			return;
		}
		const { status } = this.reader;
		const body = this.reader.body();
		if (this.reader.isLast) this.isOpen = false;
		if (status === 200) this.end(this.expected.equals(body) ? "right" : "wrong");
		else this.end("failed", [`status ${status}`, ...errorCodeIn(body)].join(" "));
		if (this.reader.isLast) this.socket.destroy();
	}

	private end(end: CallEnd, why?: string): void {
		const { listener } = this;
		this.listener = undefined;
		listener?.onEnd(end, why);
	}
}

/** As both protocols say it; nothing where the body is something else. */
function errorCodeIn(body: Buffer): string[] {
	const code = /"(?:code|type)"\s*:\s*"([a-z_.]{1,60})"/.exec(body.toString("utf8").replace('"type":"error"', ""))?.[1];
	return code === undefined ? [] : [code];
}

function requestText({ path, port, headers, runs = [], requestBody }: LoadTarget, authorization: string): string {
	const lines = [
		`POST ${path} HTTP/1.1`,
		`host: 127.0.0.1:${port}`,
		`authorization: ${authorization}`,
		"content-type: application/json",
		...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
		...runs.slice(0, 1).map((run) => `x-tollgate-run: ${run}`),
		`content-length: ${Buffer.byteLength(requestBody)}`,
	];
	return `${lines.join("\r\n")}\r\n\r\n${requestBody}`;
}
