import { closeSync, openSync, writeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { NONCE } from "../driver/load-target.ts";
import { ANSWER_BODY, BENCH_MODEL, STEP_ANSWER_BODY, STREAM_EVENTS, STREAM_GAP_MS, USAGE } from "./answers.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import { type ReceivedCall, RequestReader } from "./request-reader.ts";

/** How calls are answered from now on; a step of an agent with the next call of its tool. */
export type ProviderMode = { readonly latencyMs: number; readonly isStream: boolean; readonly isStep?: boolean };

type Call = ReceivedCall & { readonly socket: Socket };
type OpenStream = { readonly call: Call; readonly startedAtMs: number; nextEvent: number };

const LOG_USAGE = JSON.stringify(USAGE);
const WHOLE = wholeOf(ANSWER_BODY);
const STEP = wholeOf(STEP_ANSWER_BODY);
const STREAM_HEAD = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_${NONCE}\r\ntransfer-encoding: chunked\r\n\r\n`;

/**
 * The provider of one lane, on a port and with a call log of its own: the log's lines have the shape of the simulated provider's,
 * so that `tollgate verify --provider-log` judges them, and each is written before the last byte of its answer leaves.
 * Lines of one turn of the event loop share a write: the provider must stay cheaper than anything it is behind.
 */
export class LaneServer {
	readonly server: Server;
	mode: ProviderMode = { latencyMs: 0, isStream: false };
	billed = 0;
	private readonly descriptor: number;
	private ready: Call[] = [];
	private readonly delayed = new DeadlineQueue<Call>((calls) => this.answer(calls));
	private readonly streams = new DeadlineQueue<OpenStream>((streams) => this.advance(streams));
	private readonly sockets = new Set<Socket>();

	constructor(callLogPath: string) {
		this.descriptor = openSync(callLogPath, "a", 0o600);
		this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
	}

	close(): Promise<void> {
		for (const socket of this.sockets) socket.destroy();
		return new Promise((resolve) => {
			this.server.close(() => {
				closeSync(this.descriptor);
				resolve();
			});
		});
	}

	private accept(socket: Socket): void {
		const reader = new RequestReader();
		this.sockets.add(socket);
		socket.on("data", (bytes) => {
			for (const call of reader.push(bytes)) this.receive({ ...call, socket });
			if (reader.isBroken) socket.destroy();
		});
		socket.on("error", () => socket.destroy());
		socket.on("close", () => this.sockets.delete(socket));
	}

	private receive(call: Call): void {
		const { latencyMs } = this.mode;
		if (latencyMs > 0) {
			this.delayed.add(call, performance.now() + latencyMs);
			return;
		}
		if (this.ready.push(call) > 1) return;
		setImmediate(() => {
			const calls = this.ready;
			this.ready = [];
			this.answer(calls);
		});
	}

	private answer(calls: readonly Call[]): void {
		if (this.mode.isStream) {
			this.begin(calls);
			return;
		}
		this.bill(calls);
		const whole = this.mode.isStep === true ? STEP : WHOLE;
		for (const { socket, nonce } of calls) socket.write(whole.replaceAll(NONCE, nonce), "latin1");
	}

	private begin(calls: readonly Call[]): void {
		const nowMs = performance.now();
		for (const call of calls) call.socket.write(STREAM_HEAD.replace(NONCE, call.nonce), "latin1");
		this.advance(calls.map((call) => ({ call, startedAtMs: nowMs, nextEvent: 0 })));
	}

	/** The deadlines of a stream count from its start: one late chunk delays no other. */
	private advance(streams: readonly OpenStream[]): void {
		const isLast = ({ nextEvent }: OpenStream): boolean => nextEvent === STREAM_EVENTS.length - 1;
		this.bill(streams.filter(isLast).map(({ call }) => call));
		for (const stream of streams) {
			const text = (STREAM_EVENTS[stream.nextEvent] ?? "").replaceAll(NONCE, stream.call.nonce);
			const isEnd = isLast(stream);
			stream.call.socket.write(`${text.length.toString(16)}\r\n${text}\r\n${isEnd ? "0\r\n\r\n" : ""}`, "latin1");
			stream.nextEvent += 1;
			if (!isEnd) this.streams.add(stream, stream.startedAtMs + stream.nextEvent * STREAM_GAP_MS);
		}
	}

	private bill(calls: readonly Call[]): void {
		if (calls.length === 0) return;
		this.billed += calls.length;
		const at = new Date().toISOString();
		let lines = "";
		for (const { attemptId, nonce } of calls) {
			lines += `{"attemptId":${attemptId === undefined ? "null" : JSON.stringify(attemptId)},"providerRequestId":"req_${nonce}","at":"${at}","protocol":"openai","model":"${BENCH_MODEL}","serviceTier":"default","usage":${LOG_USAGE}}\n`;
		}
		const written = writeSync(this.descriptor, lines);
		if (written !== Buffer.byteLength(lines)) throw new Error(`call log: only ${written} of ${lines.length} bytes written`);
	}
}

function wholeOf(body: string): string {
	return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_${NONCE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
