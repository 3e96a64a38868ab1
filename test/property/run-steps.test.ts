import fc from "fast-check";
import { expect, test } from "vitest";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import type { AnswerListener, CallFailure, ModelTransport } from "#activities/providers/port.ts";
import { NOTHING_TO_REDACT } from "#activities/providers/redaction.ts";
import type { Caller } from "#activities/request/caller.ts";
import { Departure } from "#activities/request/leaving.ts";
import { type CallEnd, type PipelineDependencies, serveCall } from "#activities/request/pipeline.ts";
import { CallRuns } from "#activities/request/run-step.ts";
import { loadFieldTables } from "#config/request-fields/load.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { createFakeAuthority, keyIdentity } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable } from "#test/support/gateway-server.ts";
import { createScriptedGuard, heldRefusal } from "#test/support/scripted-guard.ts";

/** Whatever becomes of a call, its step ends once; and it was answered exactly where something was spent for it. */

/** What a deployment does, or the caller meanwhile. */
type Doing =
	| { readonly kind: "start"; readonly status: number; readonly isStream: boolean }
	| { readonly kind: "data"; readonly text: string }
	| { readonly kind: "end" }
	| { readonly kind: "fail"; readonly failure: CallFailure["kind"]; readonly isSent: boolean }
	| { readonly kind: "leave" }
	| { readonly kind: "hold" };

type World = {
	readonly deployments: readonly (readonly Doing[])[];
	readonly onDisconnect: "drain" | "cancel";
	readonly isJournalBroken: boolean;
	readonly money: "enough" | "none of the run" | "none of the team";
	readonly entry: "at once" | "later" | "refused";
	readonly isHeldAtAdmission: boolean;
	readonly canSend: boolean;
};

const CHUNK =
	'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"search","arguments":"{}"}}]}}]}\n\n';
const USAGE = 'data: {"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';
const TEXTS = [
	CHUNK,
	USAGE,
	"data: [DONE]\n\n",
	'data: {"error":{"type":"server_error"}}\n\n',
	'{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}',
	"{}",
	"x".repeat(600),
];

const doing = fc.oneof(
	{ weight: 4, arbitrary: fc.constantFrom(...TEXTS).map((text): Doing => ({ kind: "data", text })) },
	{ weight: 1, arbitrary: fc.constant<Doing>({ kind: "leave" }) },
	{ weight: 1, arbitrary: fc.constant<Doing>({ kind: "hold" }) },
);
const ending = fc.oneof(
	fc.constant<Doing>({ kind: "end" }),
	fc.record({
		kind: fc.constant("fail" as const),
		failure: fc.constantFrom<CallFailure["kind"]>("unreachable", "aborted", "timeout", "cut"),
		isSent: fc.boolean(),
	}),
);
const start = fc.record({ kind: fc.constant("start" as const), status: fc.constantFrom(200, 200, 200, 400, 429, 500, 504), isStream: fc.boolean() });
const deployment = fc
	.tuple(fc.option(start, { nil: undefined }), fc.array(doing, { maxLength: 5 }), ending)
	.map(([begin, middle, end]): readonly Doing[] =>
		begin === undefined
			? [...middle.filter(({ kind }) => kind !== "data"), end.kind === "end" ? { kind: "fail", failure: "unreachable", isSent: false } : end]
			: [begin, ...middle, end],
	);
const worlds = fc.record<World>({
	deployments: fc.array(deployment, { minLength: 1, maxLength: 3 }),
	onDisconnect: fc.constantFrom("drain", "cancel"),
	isJournalBroken: fc.boolean(),
	money: fc.constantFrom("enough", "enough", "enough", "none of the run", "none of the team"),
	entry: fc.constantFrom("at once", "at once", "later", "refused"),
	isHeldAtAdmission: fc.boolean(),
	canSend: fc.boolean(),
});

const tables = loadFieldTables();
const BODY = Buffer.from('{"model":"fast","max_tokens":40,"messages":[{"role":"user","content":"hello"}],"stream":true}');

/** Plays one call; what the guard was told, and the attempts as the books have them. */
async function play(world: World) {
	const authority = createFakeAuthority(testPriceBook());
	authority.policy = { ...DEFAULT_TEAM_POLICY, onDisconnect: world.onDisconnect };
	if (world.money !== "enough") authority.moneyNanoUsd = 0n;
	if (world.money === "none of the run") authority.refusal = { budgetId: "41" };
	const guard = createScriptedGuard();
	guard.refusedBy = () => heldRefusal();
	const { receive } = guard;
	if (world.entry === "later") guard.receive = async (call) => receive(call);
	if (world.entry === "refused") guard.receive = () => ({ kind: "refused", refusal: heldRefusal() });
	if (world.isHeldAtAdmission) authority.gate = Promise.resolve().then(() => void Object.assign(guard, { held: heldRefusal() }));
	const leaving = new Departure();
	const [openai] = simulatedProviderTable("http://127.0.0.1:9").providers;
	if (openai === undefined) throw new Error("no provider");
	const target = { provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" };
	const catalog = createDeploymentCatalog({ providers: [openai], aliases: { fast: world.deployments.map(() => target) } });
	const dependencies: PipelineDependencies = {
		...{ authority, catalog, fieldTables: tables, answerBytesMax: 500, nowMs: () => 0, crashPoint: () => undefined },
		decider: { isAsked: false, decide: async () => ({ kind: "allowed" }), close: async () => undefined },
		runs: new CallRuns(guard),
		exactTokens: { countSaved: async () => undefined } as never,
		observer: { observeOverhead: () => undefined, observeUpstream: () => undefined },
		transport: playedTransport(world, {
			leave: () => leaving.leave(),
			hold: () => {
				guard.held = heldRefusal();
			},
		}),
	};
	if (world.isJournalBroken) authority.endingError = new Error("the disk is full");
	const input = {
		...({ requestId: "req", key: keyIdentity(), endpoint: "chat.completions", protocol: "openai", body: BODY, asserted: {} } as const),
		...{ forwardedHeaders: [], betas: [], run: { claim: { runId: "r-7", parentRunId: null }, agent: "" }, receivedAtMs: 0 },
	};
	const end = await serveCall(dependencies, input, callerOf(leaving)).catch((error: unknown) => error as Error);
	return { end, ends: guard.entered.flatMap(({ ends }) => ends), entered: guard.entered.length, attempts: authority.attempts };
}

function callerOf(leaving: Departure): Caller {
	const ignore = () => undefined;
	return { leaving, answer: ignore, beginStream: ignore, write: () => true, whenWritable: ignore, endStream: ignore, cutStream: ignore };
}

/** Each deployment does what it is to do, one thing a turn of the event loop; an abort ends it at once. */
function playedTransport({ deployments, canSend }: World, caller: { leave(): void; hold(): void }): ModelTransport {
	let next = 0;
	return {
		redactionFor: () => NOTHING_TO_REDACT,
		close: async () => undefined,
		send(_call, listener) {
			const script = [...(deployments[next++] ?? [])];
			if (!canSend) throw new Error("invalid header");
			let isOver = false;
			let isSent = script[0]?.kind === "start";
			const finish = (tell: (to: AnswerListener) => void): void => {
				if (isOver) return;
				isOver = true;
				tell(listener);
			};
			const act = (): void => {
				const one = script.shift();
				if (isOver || one === undefined) return;
				if (one.kind === "start") {
					listener.onSent();
					listener.onStart(one.status, { "content-type": one.isStream ? "text/event-stream" : "application/json" });
				} else if (one.kind === "data") {
					try {
						listener.onData(Buffer.from(one.text));
					} catch (error) {
						// As the transport does: what the listener cannot take ends the call.
						finish((to) => to.onFailure({ kind: "cut", isSent: true, message: String(error) }));
					}
				} else if (one.kind === "end") finish((to) => to.onEnd());
				else if (one.kind === "fail") {
					isSent = isSent || one.isSent;
					finish((to) => to.onFailure({ kind: one.failure, isSent, message: "" }));
				} else caller[one.kind]();
				setImmediate(act);
			};
			setImmediate(act);
			return {
				get isSent() {
					return isSent;
				},
				abort: () => finish((to) => to.onFailure({ kind: "aborted", isSent, message: "aborted" })),
				pause: () => undefined,
				resume: () => undefined,
			};
		},
	};
}

const isError = (end: CallEnd | Error): end is Error => end instanceof Error;

test("every entered step ends once, and is answered exactly where something was spent", async () => {
	await fc.assert(
		fc.asyncProperty(worlds, async (world) => {
			const { end, ends, entered, attempts } = await play(world);
			expect(ends).toHaveLength(entered);
			expect(entered).toBe(world.entry === "refused" ? 0 : 1);
			if (entered === 0) return;
			const [told] = ends;
			const spent = attempts.filter(({ outcome }) => outcome !== "released" && outcome !== "open");
			const unended = attempts.filter(({ outcome }) => outcome === "open");
			// What could not be journaled stays at its reservation in the books, and counts as that.
			if (spent.length > 0) expect(told).toMatchObject({ booked: { costNanoUsd: spent[0]?.costNanoUsd } });
			else if (told !== "left") {
				expect(isError(end)).toBe(true);
				expect(told?.booked).toEqual({ outcome: "unresolved", costNanoUsd: unended.at(-1)?.reservedNanoUsd });
			} else if (!isError(end)) expect(unended).toEqual([]);
		}),
		{ numRuns: 400 },
	);
});
