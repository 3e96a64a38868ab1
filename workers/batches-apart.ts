import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { BATCHES_ALLOCATOR, BATCHES_NODE_FLAGS, STOP_REST_MS } from "#config/worker-process.ts";

/** What the parent says. `start` comes first, and once. */
export type ToBatches =
	| { readonly kind: "start"; readonly workflowBundle: WorkflowBundle }
	| { readonly kind: "metrics"; readonly question: number }
	| { readonly kind: "stop" };
export type FromBatches = { readonly kind: "polls" } | { readonly kind: "metrics"; readonly question: number; readonly text: string };

export type BatchesApartOptions = {
	/** Kept, for a process that has to be started again. */
	readonly workflowBundle: WorkflowBundle;
	/** As the process reads it from its settings. */
	readonly stopGraceMs: number;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
};

export type BatchesApart = {
	/** Resolves when the first process polls. */
	readonly polls: Promise<void>;
	/** In Prometheus' text format; empty while no process answers. */
	metrics(): Promise<string>;
	stop(): Promise<void>;
};

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5_000;
/** A process that lived so long did not fail at starting. */
const STEADY_AFTER_MS = 60_000;
const METRICS_WITHIN_MS = 1_000;

/**
 * Batches in a process of their own, for as long as this one lives: their payloads pass through a heap that is collected often, and what
 * becomes of it is nothing to budgets. It is started again when it ends, and ends with this process, however that ends.
 */
export function startBatchesApart({ workflowBundle, stopGraceMs, log }: BatchesApartOptions): BatchesApart {
	const stopping = new AbortController();
	const polls = Promise.withResolvers<void>();
	let child: ChildProcess | undefined;
	let questions = 0;

	const runOnce = async (): Promise<void> => {
		const started = fork(new URL("./batches-child.ts", import.meta.url), {
			execArgv: [...BATCHES_NODE_FLAGS],
			env: { ...process.env, ...BATCHES_ALLOCATOR },
			stdio: ["ignore", 2, "inherit", "ipc"],
		});
		const exited = once(started, "exit");
		started.on("message", (message: FromBatches) => {
			if (message.kind === "polls") polls.resolve();
		});
		say(started, { kind: "start", workflowBundle });
		child = started;
		const [code, signal] = (await exited) as [number | null, string | null];
		child = undefined;
		if (!stopping.signal.aborted) log.error({ code, signal }, "the process of batches ended and is started again; what it was doing is done again");
	};
	const running = (async () => {
		let retryMs = RETRY_FIRST_MS;
		while (!stopping.signal.aborted) {
			const startedAtMs = performance.now();
			await runOnce();
			if (performance.now() - startedAtMs > STEADY_AFTER_MS) retryMs = RETRY_FIRST_MS;
			await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => undefined); // stopping ends the wait
			retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
		}
	})();

	return {
		polls: polls.promise,
		metrics: () => (child === undefined ? Promise.resolve("") : askMetrics(child, ++questions)),
		async stop() {
			stopping.abort();
			const ending = child;
			if (ending !== undefined) {
				say(ending, { kind: "stop" });
				const late = setTimeout(() => ending.kill("SIGKILL"), stopGraceMs + STOP_REST_MS);
				await running;
				clearTimeout(late);
			}
			await running;
		},
	};
}

/** One that has ended is not told. */
function say(child: ChildProcess, message: ToBatches): void {
	if (child.connected) child.send(message, () => undefined);
}

async function askMetrics(child: ChildProcess, question: number): Promise<string> {
	const answered = Promise.withResolvers<string>();
	const take = (message: FromBatches): void => {
		if (message.kind === "metrics" && message.question === question) answered.resolve(message.text);
	};
	const nothing = (): void => answered.resolve("");
	const timer = setTimeout(nothing, METRICS_WITHIN_MS);
	child.on("message", take).once("exit", nothing);
	say(child, { kind: "metrics", question });
	try {
		return await answered.promise;
	} finally {
		clearTimeout(timer);
		child.off("message", take).off("exit", nothing);
	}
}
