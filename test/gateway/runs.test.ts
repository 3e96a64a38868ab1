import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RegisteredRun, Run, RunStanding } from "#clients/run-contract.ts";
import { runBudgets } from "#domain/agents/run-budgets.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { createMemoryRuns, type MemoryRuns } from "#test/support/memory-runs.ts";
import { type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { type ScriptedRunGuard, scriptedRunGuard } from "#test/support/scripted-run-guard.ts";

const OTHER_KEY = "tg_other_0123456789";
const FEATURE_KEY = "tg_feature_0123456789";
const DEFAULTS = {
	costNanoUsd: { hard: { at: "20000000000", action: "pause" } },
	depth: { hard: { at: 8, action: "pause" } },
	width: { hard: { at: 100, action: "pause" } },
};

let provider: ScriptedProvider;
let authority: FakeAuthority;
let gateway: TestGateway;
let runs: MemoryRuns;
let guard: ScriptedRunGuard;
let nowMs: number;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => call.response.end("{}"));
});
afterAll(() => provider.close());
beforeEach(async () => {
	nowMs = 1_000_000;
	authority = createFakeAuthority(testPriceBook());
	authority.keys.set(OTHER_KEY, keyIdentity({ keyId: "key2", teamId: "quartz" }));
	authority.keys.set(FEATURE_KEY, keyIdentity({ keyId: "key3", feature: null, mayAssert: ["feature"] }));
	runs = createMemoryRuns({ nowMs: () => nowMs });
	guard = scriptedRunGuard(async ({ teamId, runId }) => (await runs.find(teamId, runId))?.run);
	const defaults = checkRunLimits(DEFAULTS);
	if (defaults.kind === "invalid") throw new Error(JSON.stringify(defaults.problems));
	const opening = { defaults: DEFAULTS, budgets: runBudgets(defaults.value), newRunsPerHour: 4, onLoop: "pause" } as const;
	gateway = await startTestGateway({ authority, providerUrl: provider.url, runs: { store: runs, guard, openingOf: () => opening } });
	return () => gateway.close();
});

type Asked = { readonly key?: string; readonly body?: unknown; readonly raw?: string; readonly headers?: readonly string[] };

function ask(method: string, path: string, { key = TEST_KEY, body, raw, headers = [] }: Asked = {}): Promise<RawAnswer> {
	const text = raw ?? (body === undefined ? "" : JSON.stringify(body));
	return rawCall(gateway.url, { method, path, body: text, headers: ["authorization", `Bearer ${key}`, "content-type", "application/json", ...headers] });
}

const json = ({ body }: RawAnswer): Record<string, unknown> => JSON.parse(body.toString()) as Record<string, unknown>;
type TestedError = { code: string; message: string; param: string | null; problems?: readonly { field: string }[] };
const errorIn = (answer: RawAnswer): TestedError => json(answer)["error"] as TestedError;
const register = (body: unknown, key = TEST_KEY): Promise<RawAnswer> => ask("POST", "/v1/runs", { key, body });

async function opened(body: unknown, key = TEST_KEY): Promise<RegisteredRun> {
	const answer = await register(body, key);
	expect([answer.status, answer.status === 201 ? "" : answer.body.toString()]).toEqual([201, ""]);
	return RegisteredRun.strict().parse(json(answer));
}

const pauseOf = (runId: string) =>
	({
		state: "paused",
		guard: "loop.repetition",
		evidence: "the call `search` and its result repeated 9 times in 9 steps",
		measured: "9",
		threshold: "9",
		ofRunId: runId,
		pauseId: "pau_0123456789abcdef",
		by: "gateway g1",
	}) as const;

async function hold(runId: string): Promise<void> {
	const found = runs.runs.find((run) => run.runId === runId);
	if (found === undefined) throw new Error(`no run ${runId}`);
	await runs.hold([{ number: found.number.toString(), knownVersion: found.version.toString(), hold: pauseOf(runId) }]);
	guard.wake(runId);
}

describe("POST /v1/runs", () => {
	test("opens a run with its limits and the team's defaults of what it does not name", async () => {
		const run = await opened({ runId: "r-1", limits: { steps: 50, depth: 2 } });
		expect(run).toMatchObject({ runId: "r-1", teamId: "demo", parentRunId: null, origin: "registered", state: "running", hold: null, assertedFeature: null });
		expect(run.limits).toEqual({ ...DEFAULTS, steps: { hard: { at: 50, action: "pause" } }, depth: { hard: { at: 2, action: "pause" } } });
	});

	test("makes an id where none is given, and gives a root that names no limits the defaults", async () => {
		const [one, other] = [await opened({}), await opened(undefined)];
		expect(one.runId).not.toBe(other.runId);
		expect(one.limits).toEqual(DEFAULTS);
		expect(runs.runs).toHaveLength(2);
	});

	test("gives a child nothing that it does not name", async () => {
		await opened({ runId: "root" });
		const child = await opened({ runId: "child", parentRunId: "root", limits: { steps: 5 } });
		expect(child).toMatchObject({ parentRunId: "root", limits: { steps: { hard: { at: 5, action: "pause" } } } });
		expect(Object.keys(child.limits)).toEqual(["steps"]);
	});

	test("a process that was restarted takes its run up again; other limits are refused", async () => {
		await opened({ runId: "r-1", limits: { steps: 50 } });
		for (const body of [{ runId: "r-1", limits: { steps: 50 } }, { runId: "r-1" }]) expect((await register(body)).status).toBe(200);
		const refused = await register({ runId: "r-1", limits: { steps: 51 } });
		expect([refused.status, errorIn(refused)]).toMatchObject([422, { code: "run.invalid", param: "limits" }]);
		expect(runs.runs).toHaveLength(1);
	});

	test("a root that may have no children is opened, whatever the defaults say of their number", async () => {
		expect((await opened({ limits: { depth: 0 } })).limits).not.toHaveProperty("width");
	});

	test("books on a feature that the key may assert, and says so", async () => {
		expect((await opened({ feature: "support" }, FEATURE_KEY)).assertedFeature).toBe("support");
		authority.assertionsLeft = 0;
		const refused = await register({ feature: "another" }, FEATURE_KEY);
		expect([refused.status, errorIn(refused)]).toMatchObject([403, { code: "key.assertion_refused", param: "feature" }]);
		expect(runs.runs).toHaveLength(1);
	});

	test.each([
		["no JSON", { raw: "{" }, 400, "request.invalid", "body"],
		["not UTF-8", { raw: '"\\ud800', headers: [] }, 400, "request.invalid", "body"],
		["no object", { body: [] }, 422, "run.invalid", "body"],
		["an unknown field", { body: { runID: "r" } }, 422, "run.invalid", "runID"],
		["an id of other characters", { body: { runId: "r/1" } }, 422, "run.invalid", "runId"],
		["an id that is too long", { body: { runId: "r".repeat(129) } }, 422, "run.invalid", "runId"],
		["an id that is no text", { body: { runId: 7 } }, 422, "run.invalid", "runId"],
		["a parent of other characters", { body: { parentRunId: "-r" } }, 422, "run.invalid", "parentRunId"],
		["another team", { body: { teamId: "other" } }, 422, "run.invalid", "teamId"],
		["a feature that no header carries", { body: { feature: "a,b" } }, 422, "run.invalid", "feature"],
		["a feature of a key that may assert none", { body: { feature: "support" } }, 403, "key.assertion_refused", "feature"],
		["limits that are no object", { body: { limits: 5 } }, 422, "run.invalid", "limits"],
		["an unknown ceiling", { body: { limits: { money: 5 } } }, 422, "run.invalid", "limits.money"],
		["money as a float", { body: { limits: { costNanoUsd: 0.5 } } }, 422, "run.invalid", "limits.costNanoUsd"],
		["a soft ceiling above the hard one", { body: { limits: { steps: { soft: 9, hard: 5 } } } }, 422, "run.invalid", "limits.steps.soft.at"],
		["a parent that is not there", { body: { parentRunId: "nobody" } }, 422, "run.unknown_parent", "parentRunId"],
		["itself as its parent", { body: { runId: "r", parentRunId: "r" } }, 422, "run.cycle", "parentRunId"],
		["a parameter", { path: "/v1/runs?force=1", body: {} }, 422, "run.invalid", "force"],
	])("refuses %s, names it, and opens nothing", async (_name, asked: Asked & { readonly path?: string }, status, code, field) => {
		const answer = await ask("POST", asked.path ?? "/v1/runs", asked);
		expect([answer.status, errorIn(answer)]).toMatchObject([status, { code, param: field }]);
		expect(runs.runs).toHaveLength(0);
	});

	test("names every mistake at once", async () => {
		const { message, problems } = errorIn(await register({ runId: "", parentRunId: 4, name: "x", limits: { steps: 0, money: 1, costNanoUsd: "1.5" } }));
		const fields = ["limits.costNanoUsd", "limits.money", "limits.steps", "name", "parentRunId", "runId"];
		expect(problems?.map(({ field }) => field).toSorted()).toEqual(fields);
		for (const field of fields) expect(message).toContain(field);
	});

	test("refuses limits above the team's and above the parent's, by field", async () => {
		const most = checkRunLimits({ steps: 100 });
		runs.most = most.kind === "valid" ? most.value : [];
		expect(errorIn(await register({ limits: { steps: 101 } }))).toMatchObject({ code: "run.invalid", param: "limits.steps.hard.at" });
		await opened({ runId: "root", limits: { steps: 10 } });
		expect(errorIn(await register({ parentRunId: "root", limits: { steps: 11 } }))).toMatchObject({ code: "run.invalid", param: "limits.steps.hard.at" });
		expect(runs.runs).toHaveLength(1);
	});

	test("refuses another team's id and parent, and a finished run's, and tells nothing of them", async () => {
		await opened({ runId: "theirs" }, OTHER_KEY);
		const before = runs.runs.length;
		for (const body of [{ runId: "theirs" }, { parentRunId: "theirs" }]) {
			const refused = await register(body);
			expect([refused.status, errorIn(refused).code]).toEqual([403, "run.other_team"]);
			expect(errorIn(refused).message).not.toContain("quartz");
		}
		await opened({ runId: "mine" });
		expect((await ask("POST", "/v1/runs/mine/finish")).status).toBe(200);
		expect(errorIn(await register({ runId: "mine" }))).toMatchObject({ code: "run.finished", param: "runId" });
		expect(runs.runs).toHaveLength(before + 1);
	});

	test("under a parent that is paused nothing is opened, and what holds it is told", async () => {
		await opened({ runId: "root" });
		await hold("root");
		const refused = await register({ parentRunId: "root" });
		const told = { code: "run.paused", type: "run_paused", param: "parentRunId", run: "root", guard: "loop.repetition", watch: "/v1/runs/root/wait?version=2" };
		expect([refused.status, errorIn(refused)]).toMatchObject([402, told]);
		expect(runs.runs).toHaveLength(1);
	});

	test("more new runs in an hour than the team allows are told when to ask again", async () => {
		for (let count = 0; count < 4; count += 1) await opened({});
		const refused = await register({});
		expect([refused.status, errorIn(refused).code, refused.headers["retry-after"]]).toEqual([429, "run.too_many", "3600"]);
		nowMs += 3_600_001;
		await opened({});
	});

	test("a body above 64 KiB is refused before it is read", async () => {
		const answer = await register({ limits: { toolCalls: { ["x".repeat(70_000)]: 1 } } });
		expect([answer.status, errorIn(answer)]).toMatchObject([413, { code: "request.too_large", message: "The request body is larger than 65536 bytes." }]);
	});

	test("refuses in the shape of the client that asks, and without a key", async () => {
		const anthropic = await ask("POST", "/v1/runs", { body: { runId: "" }, headers: ["anthropic-version", "2023-06-01"] });
		expect(json(anthropic)).toMatchObject({ type: "error", error: { code: "run.invalid", details: { error_code: "run.invalid" }, param: "runId" } });
		expect((await ask("POST", "/v1/runs", { key: "tg_nobody" })).status).toBe(401);
	});

	test("with PostgreSQL away it is refused to be asked again", async () => {
		runs.error = new CostControlError("authority.unreachable", "the budget authority does not answer");
		const refused = await register({});
		expect([refused.status, errorIn(refused).code, refused.headers["retry-after"]]).toEqual([503, "authority.unreachable", "1"]);
		runs.error = undefined;
		await opened({});
	});
});

describe("GET /v1/runs/{runId}", () => {
	test("shows the run with what it took, and its parent by name", async () => {
		await opened({ runId: "root" });
		await opened({ runId: "r:1.a_b-c", parentRunId: "root" });
		runs.settle("r:1.a_b-c", { costNanoUsd: "120", steps: 2, toolCalls: { search: 1 } });
		nowMs += 500;
		const shown = Run.strict().parse(json(await ask("GET", "/v1/runs/r%3A1.a_b-c")));
		expect(shown).toMatchObject({
			runId: "r:1.a_b-c",
			parentRunId: "root",
			openedMsAgo: 500,
			totals: { costNanoUsd: "120", steps: 2, toolCalls: { search: 1 } },
		});
		expect(Run.strict().parse(json(await ask("GET", "/v1/runs/root")))).toMatchObject({ parentRunId: null, children: 1, totals: { steps: 2 } });
	});

	test("an id may have 128 characters", async () => {
		const runId = "r".repeat(128);
		await opened({ runId });
		expect(json(await ask("GET", `/v1/runs/${runId}`))).toMatchObject({ runId });
	});

	test("another team's run is no other than one that nobody has", async () => {
		await opened({ runId: "theirs" }, OTHER_KEY);
		for (const path of ["", "/wait", "/finish"]) {
			const method = path === "/finish" ? "POST" : "GET";
			const [theirs, nobodys] = [await ask(method, `/v1/runs/theirs${path}`), await ask(method, `/v1/runs/nobody${path}`)];
			expect([theirs.status, nobodys.status]).toEqual([404, 404]);
			expect(theirs.body.toString().replaceAll("theirs", "nobody")).toBe(nobodys.body.toString());
		}
		expect(runs.runs[0]?.state).toBe("running");
	});

	test("a name that no run can have is unknown, a parameter is refused", async () => {
		for (const name of ["a%20b", "r".repeat(300), "%00"]) expect([(await ask("GET", `/v1/runs/${name}`)).status, name]).toEqual([404, name]);
		await opened({ runId: "r" });
		expect(errorIn(await ask("GET", "/v1/runs/r?full=1"))).toMatchObject({ code: "run.invalid", param: "full" });
	});
});

describe("GET /v1/runs/{runId}/wait", () => {
	test("without a version it is answered at once, with one when the version changes", async () => {
		const { version } = await opened({ runId: "r" });
		expect(RunStanding.strict().parse(json(await ask("GET", "/v1/runs/r/wait")))).toMatchObject({ state: "running", hold: null, version });
		const held = ask("GET", `/v1/runs/r/wait?version=${version}&waitMs=45000`);
		await expect.poll(() => guard.waiting.map(({ watched, waitMs }) => [watched.teamId, watched.version, waitMs])).toEqual([["demo", version, 45_000]]);
		await hold("r");
		const standing = RunStanding.strict().parse(json(await held));
		expect(standing).toMatchObject({ state: "paused", hold: { guard: "loop.repetition", pauseId: "pau_0123456789abcdef" } });
		expect(standing.version).not.toBe(version);
	});

	test("waits 60 seconds where nothing else is said, and for another version not at all", async () => {
		const { version } = await opened({ runId: "r" });
		const waits = ask("GET", `/v1/runs/r/wait?version=${version}`);
		await expect.poll(() => guard.waiting[0]?.waitMs).toBe(60_000);
		expect((await ask("GET", "/v1/runs/r/wait?version=77")).status).toBe(200);
		guard.wake("r");
		await waits;
	});

	test.each(["version=x", "version=1&version=2", "waitMs=-1", "waitMs=60001", "waitMs=1.5", "waitMs=", "since=1"])(
		"refuses ?%s and names it",
		async (query) => {
			await opened({ runId: "r" });
			const answer = await ask("GET", `/v1/runs/r/wait?${query}`);
			expect([answer.status, errorIn(answer)]).toMatchObject([422, { code: "run.invalid", param: query.split("=")[0] }]);
		},
	);

	test("a watcher who leaves is forgotten", async () => {
		const { version } = await opened({ runId: "r" });
		const leaving = new AbortController();
		const gone = fetch(`${gateway.url}/v1/runs/r/wait?version=${version}`, { headers: { authorization: `Bearer ${TEST_KEY}` }, signal: leaving.signal }).catch(
			(error: unknown) => error,
		);
		await expect.poll(() => guard.waiting.length).toBe(1);
		leaving.abort();
		expect(await gone).toMatchObject({ name: "AbortError" });
		await expect.poll(() => guard.waiting.length).toBe(0);
	});

	test("10,000 wait; the next is told to ask again, and has its place when one is answered", async () => {
		const { version } = await opened({ runId: "r" });
		const request = { method: "GET", url: `/v1/runs/r/wait?version=${version}`, headers: { authorization: `Bearer ${TEST_KEY}` } } as const;
		const waits = Array.from({ length: 10_000 }, () => gateway.gateway.server.inject(request));
		await expect.poll(() => guard.waiting.length, { timeout: 30_000 }).toBe(10_000);
		const refused: unknown[] = [];
		void gateway.gateway.server
			.inject(request)
			.then((answer) => refused.push(answer.statusCode, answer.headers["retry-after"], (answer.json() as { error: { code: string } }).error.code));
		await expect.poll(() => refused.length > 0 || guard.waiting.length > 10_000).toBe(true);
		expect(refused).toEqual([503, "5", "gateway.overloaded"]);
		guard.waiting[0]?.answer();
		await expect.poll(() => guard.waiting.length).toBe(9_999);
		const placed = gateway.gateway.server.inject(request);
		await expect.poll(() => guard.waiting.length).toBe(10_000);
		guard.wake("r");
		expect((await Promise.all([...waits, placed])).every(({ statusCode }) => statusCode === 200)).toBe(true);
	});

	test("who waits holds up no drain, is no open call, and is answered", async () => {
		const { version } = await opened({ runId: "r" });
		const waits = [1, 2, 3].map(() => ask("GET", `/v1/runs/r/wait?version=${version}`));
		await expect.poll(() => guard.waiting.length).toBe(3);
		expect((await rawCall(gateway.url, { method: "GET", path: "/metrics", headers: [] })).body.toString()).toContain("tollgate_open_calls 0");
		// Who still waited at its deadline would be cut off.
		await gateway.gateway.drain(5_000);
		for (const answer of await Promise.all(waits)) expect([answer.status, json(answer)]).toMatchObject([200, { version }]);
	});
});

describe("POST /v1/runs/{runId}/finish", () => {
	test("ends the run and those below it, tells this gateway's guard, and a second time is no other", async () => {
		await opened({ runId: "root" });
		await opened({ runId: "child", parentRunId: "root" });
		const ended = RunStanding.strict().parse(json(await ask("POST", "/v1/runs/root/finish", { body: {} })));
		expect(ended).toMatchObject({ runId: "root", state: "finished" });
		expect(guard.followed).toEqual(["root"]);
		expect(json(await ask("GET", "/v1/runs/child"))).toMatchObject({ state: "finished" });
	});

	test("a child's end is told by the name of its root", async () => {
		await opened({ runId: "root" });
		await opened({ runId: "child", parentRunId: "root" });
		expect(json(await ask("POST", "/v1/runs/child/finish"))).toMatchObject({ runId: "child", state: "finished" });
		expect(guard.followed).toEqual(["root"]);
		expect(json(await ask("GET", "/v1/runs/root"))).toMatchObject({ state: "running" });
	});

	test("refuses a body that says something", async () => {
		await opened({ runId: "r" });
		expect(errorIn(await ask("POST", "/v1/runs/r/finish", { body: { reason: "done" } }))).toMatchObject({ code: "run.invalid", param: "reason" });
		expect(json(await ask("GET", "/v1/runs/r"))).toMatchObject({ state: "running" });
	});
});
