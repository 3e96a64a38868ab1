import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
	ANSWER_NANO_USD,
	GULLIBLE_MODEL,
	type GullibleModel,
	OUTPUT_TOKENS,
	type Steering,
	startGullibleModel,
	steeringResult,
} from "#test/agents/gullible-model.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

/**
 * Agents that were talked into spending: by a tool's result into repetition, fan-out or giant outputs, and out of their runs by leaving the
 * header out or naming another run each time. What each can cost is bounded: by its run's ceiling, and by new runs an hour.
 */
const CEILING_NANO_USD = 50_000_000n;
const NEW_RUNS_PER_HOUR = 4;
const MOST_NANO_USD = CEILING_NANO_USD * BigInt(NEW_RUNS_PER_HOUR);
const TEAM_LIMIT_NANO_USD = 10_000_000_000n;
/** An agent that nobody stops ends here, and the test with it. */
const CALLS_MAX = 400;

let stand: GatewayStand;
let model: GullibleModel;
let gateway: GatewayProcess;
let key: string;
let answersBefore: number;

beforeAll(async () => {
	stand = await openGatewayStand({ windowKind: "lifetime" });
	model = await startGullibleModel();
	gateway = await stand.start("g1", { TOLLGATE_SIMULATED_PROVIDER_URL: model.url });
});
afterAll(async () => {
	await stand.close();
	await model.close();
});

beforeEach(async () => {
	const team = await stand.team(TEAM_LIMIT_NANO_USD);
	key = team.key;
	answersBefore = model.answers;
	await withClient(stand.database.url, async (client) => {
		const runs = {
			limits: { costNanoUsd: { hard: { at: CEILING_NANO_USD.toString(), action: "pause" } }, width: { hard: { at: 5, action: "pause" } } },
			newRunsPerHour: NEW_RUNS_PER_HOUR,
		};
		await client.query("UPDATE tollgate.team SET runs = $2 WHERE id = $1", [team.teamId, JSON.stringify(runs)]);
	});
});

afterEach(async () => {
	expect(spent()).toBeLessThanOrEqual(MOST_NANO_USD);
	expect(spent()).toBeLessThan(TEAM_LIMIT_NANO_USD);
	process.stdout.write(`${expect.getState().currentTestName}: ${spent()} nano-USD of at most ${MOST_NANO_USD}\n`);
});

test("a result that says 'call again' is a loop, and is stopped as one", async () => {
	const end = await runAgent({ steering: "again", headers: { "x-tollgate-run": randomUUID() } });
	expect(end.error).toMatchObject({ type: "run_paused", guard: expect.stringMatching(/^loop\./) });
	expect(end.calls).toBeLessThan(12);
});

test("results that steer from one thing to the next meet the ceiling on money", async () => {
	const end = await runAgent({ steering: "something else", headers: { "x-tollgate-run": randomUUID() } });
	expect(end.error).toMatchObject({ type: "run_paused", guard: "ceiling.costNanoUsd" });
	expect(spent()).toBeLessThanOrEqual(CEILING_NANO_USD);
	expect(spent()).toBeGreaterThan(CEILING_NANO_USD / 2n);
});

test("giant outputs meet a ceiling on bytes", async () => {
	const runId = randomUUID();
	// What it wrote comes back as input, which its money must not be what stops it for.
	const registered = await post("/v1/runs", { runId, limits: { costNanoUsd: "5000000000", outputBytes: 500_000 } }, {});
	expect(registered.status).toBe(201);
	const end = await runAgent({ steering: "at length", headers: { "x-tollgate-run": runId } });
	expect(end.error).toMatchObject({ type: "run_paused", guard: "ceiling.outputBytes" });
	expect(end.calls).toBeLessThanOrEqual(4);
});

test("another run each time ends at the new runs of an hour", async () => {
	const end = await insist({ steering: "something else", headers: () => ({ "x-tollgate-run": randomUUID() }) });
	expect(end).toMatchObject({ code: "run.too_many" });
	expect(spent()).toBeGreaterThan(MOST_NANO_USD / 2n);
});

test.each([
	["the same beginning", () => "You are helpful."],
	["another beginning each time", () => `You are helper ${randomUUID()}.`],
])("a key that needs runs: no header and %s", async (_, system) => {
	await withClient(stand.database.url, (client) => client.query("UPDATE tollgate.virtual_key SET requires_run = true"));
	const end = await insist({ steering: "something else", headers: () => ({}), system });
	expect(["run.too_many", "run.paused"]).toContain(end["code"]);
});

test("children of one parent spend what it may, and no more of them begin than it may have", async () => {
	const parent = randomUUID();
	const first = await call({ headers: { "x-tollgate-run": parent }, messages: [{ role: "user", content: "Go." }] });
	expect(first.status).toBe(200);
	const end = await insist({ steering: "something else", headers: () => ({ "x-tollgate-run": randomUUID(), "x-tollgate-parent-run": parent }) });
	expect(["run.ceiling", "run.paused"]).toContain(end["code"]);
	expect(spent()).toBeLessThanOrEqual(CEILING_NANO_USD);
});

test("thirty levels deep: no deeper than the ceiling", async () => {
	const names = Array.from({ length: 30 }, () => randomUUID());
	const codes: unknown[] = [];
	for (const [level, name] of names.entries()) {
		const parent = level === 0 ? {} : { "x-tollgate-parent-run": names[level - 1] ?? "" };
		const answer = await call({ headers: { "x-tollgate-run": name, ...parent }, messages: [{ role: "user", content: "Go." }] });
		codes.push(answer.status === 200 ? 200 : ((answer.body as Refused).error?.code ?? answer.status));
	}
	expect(codes.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => 200));
	expect(new Set(codes.slice(9))).toEqual(new Set(["run.ceiling", "run.unknown_parent"]));
});

type Headers = Readonly<Record<string, string>>;
type Refused = { readonly error?: { readonly code?: string; readonly type?: string } & Readonly<Record<string, unknown>> };
type AgentEnd = { readonly calls: number; readonly error: NonNullable<Refused["error"]> };

/** Calls until it is refused. */
async function runAgent({ steering, headers, system = "You are helpful." }: { steering: Steering; headers: Headers; system?: string }): Promise<AgentEnd> {
	const messages: unknown[] = [
		{ role: "system", content: system },
		{ role: "user", content: `Look after the orders. [[do:${steering}]]` },
	];
	for (let calls = 1; calls <= CALLS_MAX; calls += 1) {
		const { status, body } = await call({ headers, messages });
		if (status !== 200) return { calls: calls - 1, error: (body as Refused).error ?? {} };
		const { message } = (body as { choices: readonly [{ message: { tool_calls: readonly [{ id: string }] } }] }).choices[0];
		messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: steeringResult(steering, calls) });
	}
	throw new Error(`nobody stopped the agent within ${CALLS_MAX} calls`);
}

/** Begins again whenever it is refused for its run, up to the refusal that another run does not help against. */
async function insist(options: { steering: Steering; headers: () => Headers; system?: () => string }): Promise<Readonly<Record<string, unknown>>> {
	for (let attempt = 0; attempt < 3 * NEW_RUNS_PER_HOUR; attempt += 1) {
		const { error } = await runAgent({ steering: options.steering, headers: options.headers(), ...(options.system && { system: options.system() }) });
		if (error.code !== "run.paused") return error;
		if (attempt === 3 * NEW_RUNS_PER_HOUR - 1) return error;
	}
	throw new Error("unreachable");
}

async function call({ headers, messages }: { headers: Headers; messages: readonly unknown[] }): Promise<{ status: number; body: unknown }> {
	const answer = await post("/v1/chat/completions", { model: GULLIBLE_MODEL, max_tokens: OUTPUT_TOKENS, messages }, headers);
	return { status: answer.status, body: await answer.json() };
}

function post(path: string, body: unknown, headers: Headers): Promise<Response> {
	return fetch(`${gateway.url}${path}`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(30_000),
	});
}

function spent(): bigint {
	return BigInt(model.answers - answersBefore) * ANSWER_NANO_USD;
}
