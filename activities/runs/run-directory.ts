import type { ImplicitRun } from "#domain/agents/implicit-run.ts";
import { createRunMemory, type RunMemory, unpackRunMemory } from "#domain/agents/run-memory.ts";
import type { KeyIdentity, Refusal } from "../request/port.ts";
import type { RunGuardOptions } from "./guard-options.ts";
import type { RunCall } from "./guard-port.ts";
import { LiveRun, type ReadLater } from "./live-run.ts";
import type { ChainRun, EnteredRun, RunName } from "./port.ts";
import { RestingRuns } from "./resting-runs.ts";
import { asksOf } from "./run-asks.ts";
import { RunNode } from "./run-node.ts";
import { enteringRefusal, unreachableRefusal } from "./run-refusal.ts";

export type Found = { readonly kind: "live"; readonly live: LiveRun } | { readonly kind: "refused"; readonly refusal: Refusal };

type Entered = Extract<EnteredRun, { kind: "entered" }>;
type DirectoryOptions = Pick<RunGuardOptions, "store" | "policyOf" | "adoptLeases" | "onRevision" | "onError" | "nowMs">;

const ANSWERS_KEPT = 20_000;
const PREFIXES_KEPT = 50_000;
/** What changes again and again while it is read is taken as it was read last. */
const READS_MAX = 4;

/**
 * The runs that this gateway serves: live ones with all that is known of them, resting ones by name. A run is read with its first call here,
 * with the first one after a rest, and with the first one after something in its tree has changed; calls that wait for the same are one read.
 */
export class RunDirectory {
	readonly #options: DirectoryOptions;
	readonly #lives = new Map<string, LiveRun>();
	/** By number: a run is one node for all runs below it. */
	readonly #nodes = new Map<string, RunNode>();
	/** By the root's id. */
	readonly #trees = new Map<string, Set<LiveRun>>();
	readonly #loading = new Map<string, Promise<Found>>();
	/** Trees that changed while something was being read: what was read may be older. */
	readonly #changedWhileReading = new Map<string, number>();
	#changes = 0;
	/** Implicit runs: by how the conversation begins, and by answers that later calls go on from. */
	readonly #prefixes = new Map<string, string>();
	readonly #answers = new Map<string, string>();
	readonly resting = new RestingRuns();
	#read: ReadLater = () => undefined;

	constructor(options: DirectoryOptions) {
		this.#options = options;
	}

	/** How live runs read what was put off. Said once, before the first of them. */
	readsWith(read: ReadLater): void {
		this.#read = read;
	}

	get size(): number {
		return this.#lives.size;
	}

	live(runId: string): LiveRun | undefined {
		return this.#lives.get(runId);
	}

	lives(): IterableIterator<LiveRun> {
		return this.#lives.values();
	}

	node(number: string): RunNode | undefined {
		return this.#nodes.get(number);
	}

	/** The live run that an unnamed call joins; undefined: only the store can tell. */
	implicit(named: ImplicitRun): LiveRun | undefined {
		if (named.kind === "begins_with" && named.isFirstCall) return undefined;
		const runId = named.kind === "follows" ? this.#answers.get(named.answerId) : this.#prefixes.get(named.prefix);
		return runId === undefined ? undefined : this.#lives.get(runId);
	}

	received(answerId: string, live: LiveRun): void {
		keepNewest(this.#answers, ANSWERS_KEPT, { name: answerId, value: live.runId });
	}

	/** In one round trip, whole or not at all. */
	load(call: RunCall, named: RunName): Promise<Found> {
		const { key, otherWindows, feature } = call;
		const name = JSON.stringify([key.teamId, key.keyId, feature, named, otherWindows]);
		return this.#once(name, () => this.#enter(call, named));
	}

	/** Its chain, after something in its tree has changed. */
	reload(live: LiveRun, call: RunCall): Promise<Found> {
		return this.#once(`again ${live.runId}`, () => this.#readAgain(live, call));
	}

	/** The same for a run whose calls are under way: they are not sent once it is held. */
	refresh(live: LiveRun): Promise<Found> {
		return this.#once(`refresh ${live.runId}`, async () => (await this.#readChain(live)) ?? { kind: "refused", refusal: unreachableRefusal() });
	}

	/** Something in these trees has changed. Answers the runs whose calls are under way. */
	changed(rootRunIds: readonly string[]): readonly LiveRun[] {
		const busy: LiveRun[] = [];
		for (const rootRunId of rootRunIds) {
			this.#changes += 1;
			if (this.#loading.size > 0) this.#changedWhileReading.set(rootRunId, this.#changes);
			this.resting.forgetHeldOf(rootRunId);
			for (const live of this.#trees.get(rootRunId) ?? []) {
				for (const node of live.nodes) node.isStale = true;
				if (live.openSteps > 0) busy.push(live);
			}
		}
		return busy;
	}

	/** Read beside its calls: news, but no proof that nothing has changed since. */
	takeNews(chain: readonly ChainRun[], readAtMs: number): void {
		for (const { run, totals } of chain) {
			const node = this.#nodes.get(run.number);
			node?.addTotals(totals);
			node?.takeRecord(run, readAtMs);
		}
	}

	/** Its live part is dropped. Answers the runs of its chain that no live one has now. */
	letGo(live: LiveRun): readonly RunNode[] {
		this.#lives.delete(live.runId);
		const tree = this.#trees.get(live.root.runId);
		tree?.delete(live);
		if (tree?.size === 0) this.#trees.delete(live.root.runId);
		if (live.prefix !== undefined && this.#prefixes.get(live.prefix) === live.runId) this.#prefixes.delete(live.prefix);
		this.resting.add(live);
		return this.#release(live.nodes);
	}

	#once(name: string, read: () => Promise<Found>): Promise<Found> {
		const underWay = this.#loading.get(name);
		if (underWay !== undefined) return underWay;
		const reading = read().finally(() => {
			this.#loading.delete(name);
			if (this.#loading.size === 0) this.#changedWhileReading.clear();
		});
		this.#loading.set(name, reading);
		return reading;
	}

	async #enter(call: RunCall, named: RunName): Promise<Found> {
		const { store, policyOf, adoptLeases, onRevision, onError, nowMs } = this.#options;
		const ask = asksOf(policyOf(call.key.teamId), call, named);
		for (let read = 1; ; read += 1) {
			const changes = this.#changes;
			const askedAtMs = nowMs();
			let entered: EnteredRun;
			try {
				entered = await store.enter(ask);
			} catch (error) {
				onError(error);
				return { kind: "refused", refusal: unreachableRefusal() };
			}
			if (entered.kind === "refused") return { kind: "refused", refusal: enteringRefusal(entered) };
			if (entered.leases.length > 0) adoptLeases(entered.leases, askedAtMs);
			onRevision?.(entered.revision);
			if (read < READS_MAX && this.#hasChangedSince(entered.chain, changes)) continue;
			return { kind: "live", live: this.#take(entered, { key: call.key, named, askedAtMs }) };
		}
	}

	async #readAgain(live: LiveRun, call: RunCall): Promise<Found> {
		const found = await this.#readChain(live);
		// Gone: it is asked for like one that was never seen.
		return found ?? this.#enter(call, { kind: "header", runId: live.runId, parentRunId: null });
	}

	/** undefined: PostgreSQL does not know it any more. */
	async #readChain(live: LiveRun): Promise<Found | undefined> {
		const { store, onError, nowMs } = this.#options;
		for (let read = 1; ; read += 1) {
			const changes = this.#changes;
			const askedAtMs = nowMs();
			let chain: readonly ChainRun[];
			try {
				chain = await store.read(live.own.record.path);
			} catch (error) {
				onError(error);
				return { kind: "refused", refusal: unreachableRefusal() };
			}
			const byNumber = new Map(chain.map((chainRun) => [chainRun.run.number, chainRun]));
			const found = live.own.record.path.flatMap((number) => byNumber.get(number) ?? []);
			if (found.length < live.own.record.path.length) return undefined;
			if (read < READS_MAX && this.#hasChangedSince(found, changes)) continue;
			this.#chainOf(live, found, askedAtMs);
			return { kind: "live", live };
		}
	}

	#hasChangedSince(chain: readonly ChainRun[], changes: number): boolean {
		const root = chain[0]?.run.runId;
		return root !== undefined && (this.#changedWhileReading.get(root) ?? 0) > changes;
	}

	#take({ chain, memory }: Entered, asked: { readonly key: KeyIdentity; readonly named: RunName; readonly askedAtMs: number }): LiveRun {
		const { key, named, askedAtMs } = asked;
		const runId = chain.at(-1)?.run.runId ?? "";
		const known = this.#lives.get(runId);
		if (known !== undefined) this.#chainOf(known, chain, askedAtMs);
		const live = known ?? this.#begin(chain, { key, askedAtMs, memory: memoryOf(memory, this.#options.onError) });
		if (named.kind !== "begins_with") return live;
		live.prefix = named.prefix;
		keepNewest(this.#prefixes, PREFIXES_KEPT, { name: named.prefix, value: live.runId });
		return live;
	}

	#begin(chain: readonly ChainRun[], made: { readonly key: KeyIdentity; readonly askedAtMs: number; readonly memory: RunMemory }): LiveRun {
		const nodes = this.#retain(chain, made.askedAtMs);
		const live = new LiveRun(nodes, made.key, { memory: made.memory, nowMs: made.askedAtMs, read: this.#read });
		this.#lives.set(live.runId, live);
		this.resting.delete(live.runId);
		const tree = this.#trees.get(live.root.runId);
		if (tree === undefined) this.#trees.set(live.root.runId, new Set([live]));
		else tree.add(live);
		return live;
	}

	#chainOf(live: LiveRun, chain: readonly ChainRun[], readAtMs: number): void {
		const before = live.nodes;
		live.chainChanged(this.#retain(chain, readAtMs));
		this.#release(before);
	}

	#retain(chain: readonly ChainRun[], readAtMs: number): readonly RunNode[] {
		return chain.map((chainRun) => {
			const known = this.#nodes.get(chainRun.run.number);
			const node = known ?? new RunNode(chainRun, readAtMs);
			if (known === undefined) this.#nodes.set(node.number, node);
			else known.take(chainRun, readAtMs);
			node.users += 1;
			return node;
		});
	}

	#release(nodes: readonly RunNode[]): readonly RunNode[] {
		return nodes.filter((node) => {
			node.users -= 1;
			return node.users === 0 && this.#nodes.delete(node.number);
		});
	}
}

/** What cannot be read is begun anew; ceilings hold all the same. */
function memoryOf(bytes: Uint8Array | undefined, onError: (error: unknown) => void): RunMemory {
	if (bytes === undefined) return createRunMemory();
	const unpacked = unpackRunMemory(bytes);
	if (unpacked.kind === "unpacked") return unpacked.memory;
	onError(new RangeError(`a loop memory ${unpacked.problem}`));
	return createRunMemory();
}

function keepNewest(kept: Map<string, string>, most: number, { name, value }: { readonly name: string; readonly value: string }): void {
	kept.delete(name);
	kept.set(name, value);
	if (kept.size <= most) return;
	const [oldest] = kept.keys();
	if (oldest !== undefined) kept.delete(oldest);
}
