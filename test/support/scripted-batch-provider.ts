import type { BatchProvider, FoundBatch, PartToSubmit } from "#activities/batches/providers/provider-port.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** What a call meets: nothing, an answer that never came (before or after it was carried out), or a word against it. */
export type CallFault = "none" | "cutBefore" | "cutAfter" | "overloaded" | "quota";
type Call = "upload" | "create" | "find" | "poll" | "cancel" | "results";

/** What the provider says of an item: once, twice, or nothing at all. */
export type ItemScript = ItemResult | "missing" | readonly ItemResult[];

export type ProviderScript = {
	/** By item of the caller (its body says which); default: it succeeds. */
	readonly itemOf?: (name: string, customId: string) => ItemScript;
	/** Polls, or lists that show it, until a batch has ended, unless it is cancelled, by how many were made; default 2. */
	readonly pollsToEnd?: number | ((batches: number) => number);
	readonly faultOf?: (call: Call) => CallFault;
	/** How a batch ends that it refuses as a whole: once for each entry, in the order they are made; undefined: it takes that one. */
	readonly refusals?: ({ readonly code: string; readonly message: string } | undefined)[];
	/** Looks that do not show a batch yet, after its creation. */
	readonly hiddenLooks?: number;
	readonly hasMetadata?: boolean;
	readonly itemsMax?: number;
	readonly embeddingInputsMax?: number;
	/** Readings that are cut after so many lines; whole from then on. */
	readonly truncations?: number[];
	readonly areResultsGone?: boolean;
	/** What is deleted is gone. */
	readonly isForgotten?: boolean;
	/** Batches of somebody else that look like one of ours. */
	readonly strangers?: number;
	/** When a batch is made, and its answer not given yet. */
	readonly onMade?: () => Promise<void>;
	/** Before the numbers of its batches; default `pb`. */
	readonly idPrefix?: string;
};

type Held = {
	readonly token: string | null;
	readonly customIds: readonly { readonly customId: string; readonly name: string }[];
	status: ProviderBatchStatus;
	/** How often its status was told, by a poll or in a list. */
	told: number;
	looks: number;
	isCancelled: boolean;
};

const SUCCEEDED: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: "req-1", body: '{"usage":1}' };

/** A provider that does what a script says, and keeps what it billed. */
export class ScriptedBatchProvider implements BatchProvider {
	readonly batches = new Map<string, Held>();
	/** Custom ids of what ran and is billed, each as often as it ran. */
	readonly billed: string[] = [];
	readonly calls: Call[] = [];
	readonly limits: BatchProvider["limits"];
	private readonly script: ProviderScript;
	private readonly nowMs: () => number;
	private ids = 0;

	constructor(nowMs: () => number, script: ProviderScript = {}) {
		this.nowMs = nowMs;
		this.script = script;
		this.limits = {
			...{ itemsMax: script.itemsMax ?? 50_000, bytesMax: 200_000_000, embeddingInputsMax: script.embeddingInputsMax, batchesPerHour: undefined },
			...{ enqueuedTokensMax: undefined, windowMs: 86_400_000, resultsKeptMs: 86_400_000 },
		};
		for (let stranger = 0; stranger < (script.strangers ?? 0); stranger++) this.make(null, [{ customId: `strange-${stranger}`, name: "strange" }]);
	}

	upload(part: PartToSubmit): Promise<string | null> {
		return this.asked("upload", async () => {
			for await (const _ of part.openLines());
			return `file-of-provider-${part.token}`;
		});
	}

	create(part: PartToSubmit): Promise<ProviderBatchStatus> {
		return this.asked("create", async () => {
			const pieces: Uint8Array[] = [];
			for await (const piece of part.openLines()) pieces.push(piece);
			const lines = Buffer.concat(pieces)
				.toString("utf8")
				.split("\n")
				.filter((line) => line !== "");
			const { status } = this.make(part.token, lines.map(readRequest));
			await this.script.onMade?.();
			return status;
		});
	}

	find(part: Pick<PartToSubmit, "token" | "items">, { isOthers }: { readonly isOthers: (id: string) => boolean }): Promise<FoundBatch[]> {
		return this.asked("find", async () => {
			const hasMetadata = this.script.hasMetadata ?? true;
			const isIt = ([id, { token, customIds }]: [string, Held]) => (hasMetadata ? token === part.token : customIds.length === part.items) && !isOthers(id);
			const found = [...this.batches].filter(isIt).filter(([, held]) => held.looks++ >= (this.script.hiddenLooks ?? 0));
			return found.map(([, held]) => ({ status: this.statusOf(held), isCertain: hasMetadata }));
		});
	}

	poll(providerBatchId: string): Promise<ProviderBatchStatus> {
		return this.asked("poll", async () => this.statusOf(this.held(providerBatchId)));
	}

	cancel(providerBatchId: string): Promise<ProviderBatchStatus> {
		return this.asked("cancel", async () => {
			const held = this.held(providerBatchId);
			if (held.status.state !== "running") return held.status;
			held.isCancelled = true;
			held.status = { ...held.status, state: "cancelling" };
			return held.status;
		});
	}

	async *results({ providerBatchId }: ProviderBatchStatus): AsyncGenerator<ResultLine> {
		const isGone = this.script.areResultsGone === true || !this.batches.has(providerBatchId);
		const lines = await this.asked("results", async () => (isGone ? [] : this.linesOf(this.held(providerBatchId))));
		if (isGone) throw new CostControlError("provider.results_gone", "the results are gone");
		const most = this.script.truncations?.shift() ?? lines.length;
		yield* lines.slice(0, most);
		if (most < lines.length) yield { kind: "unreadable", line: most + 1, problem: "is cut", start: '{"custom' };
	}

	async forget({ status }: Parameters<BatchProvider["forget"]>[0]): Promise<void> {
		this.calls.push("results");
		if (this.script.isForgotten) this.batches.delete(status.providerBatchId);
	}

	private statusOf(held: Held): ProviderBatchStatus {
		held.told++;
		if (held.status.state !== "ended" && (held.isCancelled || held.told >= this.pollsToEnd())) this.end(held);
		return held.status;
	}

	private pollsToEnd(): number {
		const { pollsToEnd = 2 } = this.script;
		return typeof pollsToEnd === "function" ? pollsToEnd(this.ids) : pollsToEnd;
	}

	private make(token: string | null, customIds: Held["customIds"]): Held {
		const providerBatchId = `${this.script.idPrefix ?? "pb"}-${++this.ids}`;
		const refusal = token === null ? undefined : this.script.refusals?.shift();
		const status: ProviderBatchStatus = {
			...{ providerBatchId, total: customIds.length, succeeded: 0, failed: 0, createdAtMs: this.nowMs(), expiresAtMs: this.nowMs() + 86_400_000 },
			...{ state: refusal === undefined ? "running" : "failed", problems: refusal === undefined ? [] : [{ line: 2, ...refusal }] },
			...{ outputFileId: null, errorFileId: null, resultsUrl: null },
		};
		const held: Held = { token, customIds, status, told: 0, looks: 0, isCancelled: false };
		this.batches.set(providerBatchId, held);
		return held;
	}

	private end(held: Held): void {
		if (held.status.state === "failed") return;
		held.status = { ...held.status, state: "ended", succeeded: held.customIds.length, outputFileId: "out" };
		for (const { customId, name } of held.customIds) if (this.said(held, name, customId).some(isBilled)) this.billed.push(customId);
	}

	private linesOf(held: Held): ResultLine[] {
		return held.customIds.flatMap(({ customId, name }) => this.said(held, name, customId).map((result): ResultLine => ({ kind: "item", customId, result })));
	}

	/** A batch that was cancelled before it ended ran the first half of its items. */
	private said(held: Held, name: string, customId: string): readonly ItemResult[] {
		const at = held.customIds.findIndex((each) => each.customId === customId);
		if (held.isCancelled && at >= held.customIds.length / 2) return [{ kind: "cancelled" }];
		const script = held.token === null ? SUCCEEDED : (this.script.itemOf?.(name, customId) ?? SUCCEEDED);
		if (script === "missing") return [];
		return Array.isArray(script) ? script : [script as ItemResult];
	}

	private async asked<Result>(call: Call, work: () => Promise<Result>): Promise<Result> {
		this.calls.push(call);
		const fault = this.script.faultOf?.(call) ?? "none";
		if (fault === "cutBefore") throw failure("provider.unreachable");
		if (fault === "overloaded") throw failure("provider.overloaded");
		if (fault === "quota") throw failure("provider.quota");
		const result = await work();
		if (fault === "cutAfter") throw failure("provider.unreachable");
		return result;
	}

	private held(providerBatchId: string): Held {
		const held = this.batches.get(providerBatchId);
		if (held === undefined) throw new CostControlError("provider.refused", "no such batch", { details: { status: 404 } });
		return held;
	}
}

export function isBilled(result: ItemResult): boolean {
	return result.kind === "succeeded";
}

function failure(code: ErrorCode): CostControlError {
	return new CostControlError(code, `scripted: ${code}`, { details: { retryAfterMs: null } });
}

function readRequest(line: string): { customId: string; name: string } {
	const { custom_id: customId, body, params } = JSON.parse(line) as { custom_id: string; body?: { name?: string }; params?: { name?: string } };
	return { customId, name: (body ?? params)?.name ?? "" };
}
