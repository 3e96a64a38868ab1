import type { CeilingVerdict } from "#domain/agents/ceilings.ts";
import type { RunMemory } from "#domain/agents/run-memory.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import { assert } from "#domain/assert.ts";
import type { AdmissionInput, KeyIdentity, Refusal } from "../request/port.ts";
import type { HandOver } from "./hand-over.ts";
import type { RunNode } from "./run-node.ts";
import type { Reading } from "./turn-reader.ts";

/** Takes turns into the memory of a run. */
export type ReadLater = (live: LiveRun, reading: Reading) => void;

export type RunOfCall = NonNullable<AdmissionInput["run"]>;

const VERDICTS_UNTOLD_MAX = 32;
const WARNED_MAX = 64;
const NONE: readonly (GuardVerdict | CeilingVerdict)[] = [];

/** What a gateway keeps of a run while calls of it come: its chain, what its agent said, and what is to be told of it. */
export class LiveRun {
	readonly runId: string;
	readonly teamId: string;
	/** Root first, the run itself last. */
	nodes: readonly RunNode[];
	root: RunNode;
	own: RunNode;
	/** For AdmissionInput; the same object until the chain is read again. */
	run: RunOfCall;
	/** Steps that were entered and have not ended. */
	openSteps = 0;
	lastUsedMs: number;
	/** Another gateway serves it too: what is remembered is told with each step. */
	othersServe = false;
	/** Of an implicit run: how its conversation begins. */
	prefix: string | undefined;
	handOver: HandOver | undefined;
	/** Turns of the last body whose steps were served elsewhere, and are not known here yet. */
	pending: Reading | undefined;
	handOverPauseMs = 0;
	handOverDueMs = Number.NEGATIVE_INFINITY;
	/** Its memory has changed since it was told. */
	hasNewMemory = false;
	/** Counts changes of the memory, so that what changed while it was told is told again. */
	memoryChanges = 0;
	toldAtMs = Number.NEGATIVE_INFINITY;
	timesTold = 0;
	untold: readonly (GuardVerdict | CeilingVerdict)[] = NONE;
	/** Answers what is to be told of a held run; of the record it was made for. */
	heldRefusal: { readonly of: object; readonly refusal: Refusal } | undefined;
	#memory: RunMemory;
	#unread: Reading | undefined;
	readonly #read: ReadLater;
	#warned: Set<string> | undefined;

	constructor(
		nodes: readonly RunNode[],
		key: Pick<KeyIdentity, "teamId">,
		{ memory, nowMs, read }: { readonly memory: RunMemory; readonly nowMs: number; readonly read: ReadLater },
	) {
		const { root, own } = endsOf(nodes);
		this.runId = own.runId;
		this.teamId = key.teamId;
		this.nodes = nodes;
		this.root = root;
		this.own = own;
		this.#memory = memory;
		this.#read = read;
		this.lastUsedMs = nowMs;
		this.run = runOfCall(nodes);
	}

	/** With everything that was shown: what was put off is read now. */
	get memory(): RunMemory {
		const reading = this.#unread;
		if (reading !== undefined) {
			this.#unread = undefined;
			this.#read(this, reading);
		}
		return this.#memory;
	}

	set memory(memory: RunMemory) {
		this.#memory = memory;
	}

	/** Of the last two steps, as their answers said: 0 for less context, or where it is not known. */
	get contextGrowthTokens(): number {
		return this.#memory.contextGrowthTokens;
	}

	get hasUnread(): boolean {
		return this.#unread !== undefined;
	}

	/** Turns that are read once the call is on its way, or as soon as somebody asks for the memory. */
	putOff(reading: Reading): void {
		assert(this.#unread === undefined, "what was put off before is read first");
		this.#unread = reading;
	}

	get parentRunId(): string | undefined {
		return this.nodes[this.nodes.length - 2]?.runId;
	}

	get isStale(): boolean {
		for (const node of this.nodes) if (node.isStale) return true;
		return false;
	}

	/** The run that keeps it from going on: itself or one above it. */
	get held(): RunNode | undefined {
		for (const node of this.nodes) if (node.isHeld) return node;
		return undefined;
	}

	/** Of its chain something is held that PostgreSQL does not know yet. */
	get hasUntoldHold(): boolean {
		return this.own.heldAtVersion !== undefined;
	}

	/** After the chain was read again: what is raised counts from now on. */
	chainChanged(nodes: readonly RunNode[]): void {
		const { root, own } = endsOf(nodes);
		this.nodes = nodes;
		this.root = root;
		this.own = own;
		this.run = runOfCall(nodes);
	}

	/** Something is remembered that was not told yet. */
	remembered(): void {
		this.memoryChanges += 1;
		this.hasNewMemory = true;
	}

	/** Warnings, each once. */
	warn(verdicts: readonly (GuardVerdict | CeilingVerdict)[]): void {
		for (const verdict of verdicts) {
			if (!this.#isFirst(verdict)) continue;
			if (this.untold.length < VERDICTS_UNTOLD_MAX) this.untold = [...this.untold, verdict];
		}
	}

	#isFirst(verdict: GuardVerdict | CeilingVerdict): boolean {
		const line = "atEvent" in verdict ? `${verdict.guard} ${verdict.atEvent}` : `${verdict.guard} ${verdict.tool ?? ""} ${verdict.threshold}`;
		this.#warned ??= new Set();
		if (this.#warned.has(line) || this.#warned.size >= WARNED_MAX) return false;
		this.#warned.add(line);
		return true;
	}
}

function endsOf(nodes: readonly RunNode[]): { readonly root: RunNode; readonly own: RunNode } {
	const [root] = nodes;
	const own = nodes.at(-1);
	assert(root !== undefined && own !== undefined, "a run stands in its own chain");
	return { root, own };
}

function runOfCall(nodes: readonly RunNode[]): RunOfCall {
	const budgets = nodes.flatMap((node) => node.budgets).sort((left, right) => (BigInt(left.budgetId) < BigInt(right.budgetId) ? -1 : 1));
	return { runIds: nodes.map(({ number }) => number), budgets };
}
