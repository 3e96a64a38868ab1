import { BatchJobClient } from "#clients/batch-job-client.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { batchJobWorkflowId } from "#workflows/batch-job/messages.ts";
import type { ChildCall, ChildReply } from "./batch-job-child.ts";
import { type JobStand, openJobStand } from "./batch-job-stand.ts";
import type { TestTemporal } from "./temporal.ts";

type Method = (...given: unknown[]) => unknown;

/** Batches, their payloads and their provider, in a process that outlives the workers it serves. */
export class BatchJobWorld {
	readonly stands = new Map<string, JobStand>();
	private readonly temporal: TestTemporal;

	constructor(temporal: TestTemporal, protocols: readonly ("openai" | "anthropic")[]) {
		this.temporal = temporal;
		protocols.forEach((protocol, index) => {
			const batchId = `${protocol === "openai" ? "batch" : "msgbatch"}_${String(index).padStart(24, "k")}`;
			const clock = { nowMs: Date.now() };
			// Anthropic has no metadata; batches of the same size stand in worlds of their own.
			this.stands.set(
				batchId,
				openJobStand({ batchId, protocol, items: 5, clock, script: { hasMetadata: protocol === "openai", pollsToEnd: 3, itemsMax: 3 } }),
			);
		});
	}

	async begin(): Promise<void> {
		const { connection, client } = this.temporal;
		const jobs = new BatchJobClient({ connection, client, pacePermille: 5 });
		for (const { store, batchId } of this.stands.values()) {
			const record = await store.read(batchId);
			if (record !== undefined) await jobs.tell(record, { retriesNow: false });
		}
	}

	async ended(): Promise<void> {
		await Promise.all([...this.stands.keys()].map((batchId) => this.temporal.client.workflow.getHandle(batchJobWorkflowId(batchId)).result()));
	}

	async answer(call: ChildCall): Promise<ChildReply> {
		try {
			return { id: call.id, kind: "done", result: await this.carryOut(call) };
		} catch (error) {
			if (!(error instanceof CostControlError)) throw error;
			return { id: call.id, kind: "failed", code: error.code, message: error.publicMessage, details: { ...error.details } };
		}
	}

	private async carryOut({ batchId, target, method, given }: ChildCall): Promise<unknown> {
		const stand = this.stands.get(batchId);
		if (stand === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
		const { store, provider } = stand;
		const { lines } = stand.dependencies;
		const [first, second, third] = given as [never, never, never];
		switch (`${target}.${method}`) {
			case "lines.openRequests":
				return textOf(lines.openRequests(first, second));
			case "lines.keepResults":
				return lines.keepResults(first, second, eachOf(third));
			case "lines.readResults":
				return allOf(lines.readResults(first, second));
			case "provider.upload":
			case "provider.create": {
				const { text, ...part } = first as { text: string };
				const handedIn = { ...part, openLines: () => eachOf([Buffer.from(text)]) } as never;
				return method === "upload" ? provider.upload(handedIn) : provider.create(handedIn);
			}
			case "provider.find":
				return provider.find(first, { isOthers: () => false });
			case "provider.results":
				return allOf(provider.results(first));
			default: {
				const of = target === "store" ? store : target === "lines" ? lines : provider;
				return (of as unknown as Record<string, Method>)[method]?.call(of, ...given);
			}
		}
	}
}

async function* eachOf<Item>(items: readonly Item[]): AsyncGenerator<Item> {
	yield* items;
}

async function allOf(lines: AsyncIterable<ResultLine>): Promise<ResultLine[]> {
	const all: ResultLine[] = [];
	for await (const line of lines) all.push(line);
	return all;
}

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
	const all: Uint8Array[] = [];
	for await (const piece of pieces) all.push(piece);
	return Buffer.concat(all).toString("utf8");
}
