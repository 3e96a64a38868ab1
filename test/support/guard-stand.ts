import { expect } from "vitest";
import type { GrantedItem } from "#activities/authority/port.ts";
import type { KeyIdentity, Refusal } from "#activities/request/port.ts";
import type { RunCall, RunEntry, RunGuard, RunStepEntered } from "#activities/runs/guard-port.ts";
import type { RunFlushes } from "#activities/runs/port.ts";
import { openRunGuard } from "#activities/runs/run-guard.ts";
import type { RunTotals } from "#domain/agents/run.ts";
import type { ToolCall } from "#domain/agents/run-event.ts";
import { DEFAULT_RUN_POLICY, type RunPolicy } from "#domain/agents/run-policy.ts";
import { Conversation, type ConversationEndpoint } from "#test/agents/conversation.ts";
import type { CorpusEvent, CorpusRun } from "#test/agents/corpus-run.ts";
import type { RunEnd } from "#test/agents/judge-runs.ts";
import { createMemoryRuns, type MemoryRuns } from "./memory-runs.ts";

export const RUN_KEY: KeyIdentity = {
	keyId: "key_1",
	teamId: "search",
	feature: null,
	userId: null,
	environment: null,
	models: null,
	endpoints: null,
	mayAssert: [],
};

const CALL: RunCall = {
	key: RUN_KEY,
	feature: null,
	claim: { runId: "r-7", parentRunId: null },
	agent: "",
	endpoint: "chat.completions",
	conversation: { messages: [{ role: "user", content: "go" }] },
	model: "big",
	otherWindows: 1,
};

/** Guards of one or several gateways over one store in memory; time passes when a test says so. */
export class GuardStand {
	readonly runs: MemoryRuns;
	readonly gateways: readonly StandGateway[];
	nowMs = 1_000_000;
	policy: RunPolicy = DEFAULT_RUN_POLICY;

	constructor(gateways = 1) {
		this.runs = createMemoryRuns({ nowMs: () => this.nowMs });
		this.gateways = Array.from({ length: gateways }, (_, place) => new StandGateway(this, `g${place + 1}`));
		this.runs.onChange = (roots) => {
			for (const { guard } of this.gateways) guard.follow(roots);
		};
	}

	get first(): StandGateway {
		return this.gateways[0]!;
	}

	pass(ms: number): void {
		this.nowMs += ms;
	}
}

type Step = { readonly runId: string; readonly taken: RunTotals };

export class StandGateway {
	readonly guard: RunGuard;
	readonly flushes: RunFlushes;
	readonly errors: unknown[] = [];
	readonly adopted: GrantedItem[] = [];
	readonly forgotten: string[] = [];
	enqueuedRows = 0;
	pendingRows = 0;
	/** Times a flush was asked for though no row goes out. */
	flushesAsked = 0;
	readonly #stand: GuardStand;
	readonly #served = new Map<string, number>();
	#steps: Step[] = [];

	constructor(stand: GuardStand, gatewayId: string) {
		this.#stand = stand;
		let pauses = 0;
		const { guard, flushes } = openRunGuard({
			store: stand.runs,
			gatewayId,
			policyOf: () => stand.policy,
			adoptLeases: (leases) => void this.adopted.push(...leases),
			forgetResting: (budgetIds) => {
				this.forgotten.push(...budgetIds);
				return [...budgetIds];
			},
			writer: this,
			onError: (error) => void this.errors.push(error),
			nowMs: () => stand.nowMs,
			wallClockMs: () => stand.nowMs + 1_700_000_000_000,
			randomBytes: (bytes) => {
				pauses += 1;
				return new Uint8Array(bytes).fill(pauses);
			},
		});
		this.guard = guard;
		this.flushes = flushes;
	}

	noteRuns(): void {
		this.flushesAsked += 1;
	}

	enter(call: Partial<RunCall>): RunEntry | undefined | Promise<RunEntry | undefined> {
		return this.guard.enter({ ...CALL, ...call });
	}

	async step(call: Partial<RunCall>): Promise<RunStepEntered> {
		const entry = await this.enter(call);
		if (entry?.kind !== "step") expect.fail(`refused: ${entry?.refusal.message ?? "no run"}`);
		return entry.step;
	}

	async refused(call: Partial<RunCall>): Promise<Refusal> {
		const entry = await this.enter(call);
		if (entry?.kind !== "refused") expect.fail("it was not refused");
		return entry.refusal;
	}

	/** The row is enqueued, then the guard is told, as the pipeline does it. */
	answer(step: RunStepEntered, { calls = [], inputTokens = 0, outputTokens = 0, costNanoUsd = 0n, outputBytes = 0, answerId }: Partial<Answer> = {}): void {
		const toolCalls: Record<string, number> = {};
		for (const { tool } of calls) toolCalls[tool] = (toolCalls[tool] ?? 0) + 1;
		this.#steps.push({ runId: step.runId, taken: { costNanoUsd: costNanoUsd.toString(), inputTokens, outputTokens, steps: 1, outputBytes, toolCalls } });
		this.enqueuedRows += 1;
		this.pendingRows += 1;
		const usage = { inputTokens, outputTokens, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, reasoningTokens: 0 };
		step.answered({ calls, outputBytes, booked: { outcome: "settled", costNanoUsd }, usage, ...(answerId !== undefined && { answerId }) });
	}

	/** One flush of the ledger with all that is due. */
	flush(): void {
		const { runs } = this.#stand;
		const notes = this.flushes.takeUntold(100);
		const numbers = new Set<string>();
		for (const { runId, taken } of this.#steps) {
			runs.settle(runId, taken);
			runs.received(runId, `answer of ${runId}`);
			for (const above of runs.runs.find((run) => run.runId === runId)?.chain ?? []) {
				numbers.add(above.number.toString());
				this.#served.set(above.number.toString(), (this.#served.get(above.number.toString()) ?? 0) + 1);
			}
		}
		for (const { number, memory, exchanges } of notes) {
			const run = runs.runs.find((known) => known.number.toString() === number);
			if (memory !== undefined && run !== undefined) runs.remember(run.runId, Buffer.from(memory, "base64"), exchanges);
			numbers.add(number);
		}
		this.#steps = [];
		this.pendingRows = 0;
		this.flushes.told(notes);
		this.flushes.totals(
			[...numbers].flatMap((number) => {
				const run = runs.runs.find((known) => known.number.toString() === number);
				return run === undefined ? [] : [{ number, othersServe: run.totals.steps > (this.#served.get(number) ?? 0), totals: run.totals }];
			}),
		);
	}
}

type Answer = {
	readonly calls: readonly ToolCall[];
	readonly inputTokens: number;
	readonly outputTokens: number;
	readonly costNanoUsd: bigint;
	readonly outputBytes: number;
	readonly answerId: string;
};

/** What the stores' promises set off is done: microtasks, and what waits for the end of a turn of the event loop. */
export async function settled(): Promise<void> {
	for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

type Play = {
	readonly endpoint: ConversationEndpoint;
	/** Which gateway takes a step, from 0. */
	readonly gatewayOf: (step: number) => StandGateway;
	readonly stepMs?: number;
	/** The provider keeps the conversation: each body holds the last result alone. */
	readonly isKept?: boolean;
};

/** An agent plays a run of the corpus over its gateways, as the events of it say; it knows no labels. */
export async function playRun(stand: GuardStand, run: CorpusRun, { endpoint, gatewayOf, stepMs = 500, isKept = false }: Play): Promise<RunEnd> {
	const conversation = new Conversation(endpoint, `task of ${run.runId}`);
	for (let step = 0; step <= run.events.length; step += 1) {
		const gateway = gatewayOf(step);
		const body = isKept ? keptBody(run, step) : conversation.body;
		const entry = await gateway.enter({ claim: { runId: run.runId, parentRunId: null }, endpoint, conversation: body });
		if (entry?.kind === "refused") return { atStep: step, guard: entry.refusal.run?.hold.guard ?? entry.refusal.message };
		const event = run.events[step];
		if (entry === undefined || event === undefined) break;
		await settled(); // the provider works
		gateway.answer(entry.step, answerOf(event, step));
		gateway.flush();
		stand.pass(stepMs);
		conversation.add(event);
	}
	return undefined;
}

function keptBody({ runId, events }: CorpusRun, step: number): unknown {
	const event = events[step - 1];
	if (event === undefined) return { input: `task of ${runId}` };
	const result = { type: "function_call_output", call_id: `call_${step}`, output: event.observation ?? "", ...(event.isError && { status: "failed" }) };
	return { previous_response_id: `resp_${step}`, input: [result] };
}

function answerOf({ tool, args, tokens, costNanoUsd }: CorpusEvent, step: number): Partial<Answer> {
	const call = { callId: `call_${step + 1}`, tool, argsText: typeof args === "string" ? args : JSON.stringify(args) };
	return { calls: [call], inputTokens: tokens, costNanoUsd: BigInt(costNanoUsd) };
}
