import type { Dispatcher } from "undici";
import { assert } from "#domain/assert.ts";
import { CallDeadlines, type Deadline, type Expiring } from "./call-deadlines.ts";
import { buildConnector, Pool } from "./http-pool.ts";
import { inOnePiece } from "./one-piece-writes.ts";
import type { AnswerHeaders, AnswerListener, CallFailure, ModelCall, ModelTransport, OpenCall } from "./port.ts";
import type { ProviderKeys } from "./provider-keys.ts";

export type TransportOptions = {
	readonly keys: ProviderKeys;
	/** Connections per provider host; calls beyond it queue unsent. Default 1,024. */
	readonly connectionsPerHost?: number;
	/** Time to connect, TLS included. Default 10,000 ms. */
	readonly connectTimeoutMs?: number;
};

/**
 * Raw HTTP/1.1 to providers: one pool per host, no redirects, no retries, no decompression.
 * The dispatch interface is used directly because it tells when the first byte of a request is written.
 */
export function createModelTransport(options: TransportOptions): ModelTransport {
	const pools = new Map<string, Pool>();
	const deadlines = new CallDeadlines();
	// undici offers HTTP/2 by itself, and most providers prefer it: calls would share a connection, and what is said of a sent, paused or cut call holds for one of its own.
	const connect = inOnePiece(buildConnector({ timeout: options.connectTimeoutMs ?? 10_000, allowH2: false }));
	const poolFor = (origin: string): Pool => {
		const known = pools.get(origin);
		if (known !== undefined) return known;
		const pool = new Pool(origin, {
			connections: options.connectionsPerHost ?? 1024,
			pipelining: 1,
			allowH2: false,
			connect,
			// The call's own deadline (maxCallMs) rules; a model may think for minutes without a byte.
			headersTimeout: 0,
			bodyTimeout: 0,
		});
		pools.set(origin, pool);
		return pool;
	};
	return {
		send(call, listener) {
			const exchange = new Exchange(listener, { deadlines, maxCallMs: call.maxCallMs });
			poolFor(call.deployment.origin).dispatch(toRequest(call, options.keys.headersFor(call.deployment)), exchange);
			return exchange;
		},
		redactionFor: (deployment) => options.keys.redactionFor(deployment),
		async close() {
			await Promise.all([...pools.values()].map((pool) => pool.close()));
		},
	};
}

function toRequest(call: ModelCall, credentials: readonly string[]): Dispatcher.DispatchOptions {
	const path = call.deployment.paths[call.endpoint];
	assert(path !== undefined, `${call.deployment.name} does not serve ${call.endpoint}`);
	return {
		path,
		method: "POST",
		body: call.body,
		headers: [
			"content-type",
			"application/json",
			"accept-encoding",
			"identity",
			"x-client-request-id",
			call.attemptId,
			...credentials,
			...call.forwardedHeaders,
		],
	};
}

/** One request and its answer. After `onEnd` or `onFailure` it stays silent. */
class Exchange implements OpenCall, Dispatcher.DispatchHandler, Expiring {
	readonly #listener: AnswerListener;
	readonly #deadline: Deadline;
	#controller: Dispatcher.DispatchController | undefined;
	#failureKind: CallFailure["kind"] | undefined;
	#isFinished = false;

	constructor(listener: AnswerListener, { deadlines, maxCallMs }: { readonly deadlines: CallDeadlines; readonly maxCallMs: number }) {
		this.#listener = listener;
		this.#deadline = deadlines.begin(this, maxCallMs);
	}

	get isSent(): boolean {
		return this.#controller !== undefined;
	}

	expire(): void {
		this.#giveUp("timeout");
	}

	abort(): void {
		this.#giveUp("aborted");
	}

	pause(): void {
		this.#controller?.pause();
	}

	resume(): void {
		this.#controller?.resume();
	}

	onRequestStart(controller: Dispatcher.DispatchController): void {
		// Given up while queued: aborting here keeps undici from writing the first byte.
		if (this.#isFinished) controller.abort(new Error("given up before sending"));
		else this.#controller = controller;
	}

	onRequestSent(): void {
		if (!this.#isFinished) this.#listener.onSent();
	}

	onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
		if (!this.#isFinished && status >= 200) this.#listener.onStart(status, headers);
	}

	onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
		if (!this.#isFinished) this.#listener.onData(chunk);
	}

	onResponseEnd(): void {
		if (!this.#finish()) return;
		this.#listener.onEnd();
	}

	onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
		if (!this.#finish()) return;
		const { isSent } = this;
		this.#listener.onFailure({ kind: this.#failureKind ?? (isSent ? "cut" : "unreachable"), isSent, message: error.message });
	}

	#giveUp(kind: CallFailure["kind"]): void {
		if (this.#isFinished) return;
		this.#failureKind = kind;
		if (this.#controller !== undefined) {
			this.#controller.abort(new Error(kind));
			return;
		}
		this.#finish();
		this.#listener.onFailure({ kind, isSent: false, message: "given up before sending" });
	}

	#finish(): boolean {
		if (this.#isFinished) return false;
		this.#isFinished = true;
		this.#deadline.end();
		return true;
	}
}
