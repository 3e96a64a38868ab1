import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import type { BatchJobDependencies, JobLines, JobStore } from "#activities/batches/job/job-port.ts";
import type { BatchProvider, FoundBatch, PartToSubmit } from "#activities/batches/providers/provider-port.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { BATCH_TASK_QUEUE } from "#workflows/batch-job/messages.ts";
import { nothingInRealTime, priceOf } from "./batch-job-stand.ts";

/**
 * A worker of batches that can be killed: `batch-job-child.ts TEMPORAL_ADDRESS BUNDLE_FILE`. What it works with, its parent has: every call
 * goes there and comes back, so that the parent may kill it before or after any of them.
 */
export type ChildCall = {
	readonly id: number;
	readonly batchId: string;
	readonly target: "store" | "lines" | "provider";
	readonly method: string;
	readonly given: readonly unknown[];
};
export type ChildReply = { readonly id: number } & (
	| { readonly kind: "done"; readonly result: unknown }
	| { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; readonly details: Record<string, string | number | boolean | null> }
);

const [address = "", bundleFile = ""] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });

const waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }>();
let calls = 0;

process.on("message", (reply: ChildReply) => {
	const asked = waiting.get(reply.id);
	waiting.delete(reply.id);
	if (reply.kind === "done") asked?.resolve(reply.result as never);
	else asked?.reject(new CostControlError(reply.code, reply.message, { details: reply.details }));
});

function ask<Result>(batchId: string, target: ChildCall["target"], method: string, ...given: unknown[]): Promise<Result> {
	const id = ++calls;
	return new Promise<Result>((resolve, reject) => {
		waiting.set(id, { resolve: resolve as (value: never) => void, reject });
		process.send?.({ id, batchId, target, method, given } satisfies ChildCall);
	});
}

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
	const all: Uint8Array[] = [];
	for await (const piece of pieces) all.push(piece);
	return Buffer.concat(all).toString("utf8");
}

function dependenciesOf(batchId: string): BatchJobDependencies {
	const store = new Proxy({} as JobStore, {
		get:
			(_, method) =>
			(...given: unknown[]) =>
				ask(batchId, "store", String(method), ...given),
	});
	const lines: JobLines = {
		writeRequests: (...given) => ask(batchId, "lines", "writeRequests", ...given),
		async *openRequests(...given) {
			yield Buffer.from(await ask<string>(batchId, "lines", "openRequests", ...given));
		},
		readBodies: () => {
			throw new Error("nothing goes in real time here");
		},
		hasResults: (...given) => ask(batchId, "lines", "hasResults", ...given),
		async keepResults(batch, reading, said) {
			const all: ResultLine[] = [];
			for await (const line of said) all.push(line);
			await ask(batchId, "lines", "keepResults", batch, reading, all);
		},
		async *readResults(...given) {
			yield* await ask<ResultLine[]>(batchId, "lines", "readResults", ...given);
		},
		joinOutputs: (...given) => ask(batchId, "lines", "joinOutputs", ...given),
		keepAnswer: (...given) => ask(batchId, "lines", "keepAnswer", ...given),
		forgetBody: (...given) => ask(batchId, "lines", "forgetBody", ...given),
	};
	const handedIn = async ({ openLines, ...part }: PartToSubmit) => ({ ...part, text: await textOf(openLines()) });
	const provider: BatchProvider = {
		limits: {
			itemsMax: 3,
			bytesMax: 1e9,
			embeddingInputsMax: undefined,
			batchesPerHour: undefined,
			enqueuedTokensMax: undefined,
			windowMs: 1,
			resultsKeptMs: 1,
		},
		upload: async (part) => ask(batchId, "provider", "upload", await handedIn(part)),
		create: async (part) => ask(batchId, "provider", "create", await handedIn(part)),
		find: async (part, { isOthers }) =>
			(await ask<FoundBatch[]>(batchId, "provider", "find", { token: part.token, items: part.items })).filter(
				({ status }) => !isOthers(status.providerBatchId),
			),
		poll: (id) => ask(batchId, "provider", "poll", id),
		cancel: (id) => ask(batchId, "provider", "cancel", id),
		async *results(status) {
			yield* await ask<ResultLine[]>(batchId, "provider", "results", status);
		},
		forget: (of) => ask(batchId, "provider", "forget", of),
	};
	return {
		...{ store, lines, providerOf: () => provider, openPricing: async () => priceOf, heartbeat: () => undefined, now: () => performance.now() },
		realTime: nothingInRealTime,
		readLoad: async () => ({ nowMs: 0, submittedAtMs: [], waitingTokens: 0, partTokens: 0 }),
		raise: async () => undefined,
		tellQuota: async () => undefined,
		observer: { stepFailed: () => undefined, notForgotten: () => undefined, bodiesLeft: () => undefined, resultsUnreadable: () => undefined },
	};
}

type Activity = (input: { readonly batchId: string }) => Promise<unknown>;
const names = Object.keys(createBatchJobActivities(dependenciesOf("")));
const activities = Object.fromEntries(
	names.map((name): [string, Activity] => [
		name,
		(input) =>
			(createBatchJobActivities(dependenciesOf(input.batchId)) as unknown as Record<string, Activity>)[name]?.(input) ?? Promise.reject(new Error(name)),
	]),
);
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
	connection,
	taskQueue: BATCH_TASK_QUEUE,
	workflowBundle: { codePath: bundleFile },
	activities,
	stickyQueueScheduleToStartTimeout: "1 second",
});
process.once("SIGTERM", () => worker.shutdown());
await worker.run();
await connection.close();
process.disconnect?.();
