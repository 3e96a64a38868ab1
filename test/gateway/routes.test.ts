import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Endpoint } from "#domain/bound/request.ts";
import { MODEL_ROUTES } from "#gateway/routes/model-routes.ts";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { batchPriceBook, chatLine, createGatewayBatches, type GatewayBatches, messageRequest } from "#test/support/gateway-batches.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { createMemoryRuns } from "#test/support/memory-runs.ts";
import { JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { scriptedRunGuard } from "#test/support/scripted-run-guard.ts";

/** The router's own table, and the one by which requests for models are taken before it, not a list of ours: no route serves a model without a budget check. */

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let asked: Endpoint[];
let stand: GatewayBatches;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => call.response.end("{}"));
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(batchPriceBook());
	stand = createGatewayBatches();
	stand.moneyNanoUsd = 0n;
	asked = [];
	const refusal = {
		code: "budget.none",
		message: "no budget",
		budget: null,
		unit: null,
		limitAmount: null,
		leftAmount: null,
		resetsAt: null,
		heldAmount: null,
		heldUntil: null,
		howToAsk: "ask",
		retryAfterSeconds: null,
	} as const;
	authority.admit = (input) => {
		asked.push(input.endpoint);
		return { kind: "refused", refusal };
	};
	const store = createMemoryRuns();
	const guard = scriptedRunGuard(async ({ teamId, runId }) => (await store.find(teamId, runId))?.run);
	const opening = { defaults: {}, budgets: [], newRunsPerHour: 9, onLoop: "pause" } as const;
	gateway = await startTestGateway({ authority, providerUrl: provider.url, runs: { store, guard, openingOf: () => opening }, batches: stand.routes });
	return async () => {
		await gateway.close();
		stand.close();
	};
});

type Route = { readonly method: string; readonly path: string };

const MODEL_TABLE: readonly Route[] = MODEL_ROUTES.map(({ url }) => ({ method: "POST", path: url }));

/** Reads the tree Fastify prints: four characters of indentation for each level. */
function routerTable(): readonly Route[] {
	const prefixes: string[] = [];
	const routes = [...MODEL_TABLE];
	for (const line of gateway.gateway.server.printRoutes({ commonPrefix: false }).split("\n")) {
		const match = /^([│ ]*)[├└]── (\S+)(?: \((.+)\))?$/.exec(line);
		if (match === null) continue;
		const depth = (match[1]?.length ?? 0) / 4;
		prefixes[depth] = `${depth === 0 ? "" : prefixes[depth - 1]}${match[2]}`;
		for (const method of match[3]?.split(", ") ?? []) routes.push({ method, path: prefixes[depth] ?? "" });
	}
	return routes;
}

const BODIES: Readonly<Record<string, string>> = {
	"/v1/chat/completions": '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}',
	"/v1/responses": '{"model":"gpt-4o","input":"hi"}',
	"/v1/embeddings": '{"model":"text-embedding-3-small","input":"hi"}',
	"/v1/messages": '{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}',
	"/v1/messages/count_tokens": '{"model":"claude-sonnet-5-5","messages":[{"role":"user","content":"hi"}]}',
};
const READING_ROUTES = ["/healthz", "/readyz", "/metrics", "/v1/models", "/v1/models*"];
const RUN_ROUTES = ["POST /v1/runs", "GET /v1/runs/:runId", "GET /v1/runs/:runId/wait", "POST /v1/runs/:runId/finish"];
const FILE_ROUTES = ["POST /v1/files", "GET /v1/files", "GET /v1/files/:fileId", "GET /v1/files/:fileId/content", "DELETE /v1/files/:fileId"];
/** What they make is held before it is anything, and sent by the worker alone. */
const BATCH_ROUTES = [
	...["POST /v1/batches", "GET /v1/batches", "GET /v1/batches/:batchId", "POST /v1/batches/:batchId/cancel"],
	...["POST /v1/messages/batches", "GET /v1/messages/batches", "GET /v1/messages/batches/:batchId", "DELETE /v1/messages/batches/:batchId"],
	...["GET /v1/messages/batches/:batchId/results", "POST /v1/messages/batches/:batchId/cancel"],
];

test("the router's table is what is documented, and no more", () => {
	const table = routerTable().map(({ method, path }) => `${method} ${path}`);
	expect(table.sort()).toEqual(
		[
			...Object.keys(BODIES).map((path) => `POST ${path}`),
			...READING_ROUTES.map((path) => `GET ${path}`),
			...RUN_ROUTES,
			...FILE_ROUTES,
			...BATCH_ROUTES,
		].sort(),
	);
});

test("the router has no route for a model: every request for one is taken before it", () => {
	const ofRouter = routerTable().slice(MODEL_TABLE.length);
	expect(ofRouter.filter(({ path }) => path in BODIES)).toEqual([]);
});

test("every route of the table either asks for a reservation or never reaches a provider", async () => {
	const others = [...RUN_ROUTES, ...FILE_ROUTES, ...BATCH_ROUTES];
	for (const { method, path } of routerTable().filter((route) => !others.includes(`${route.method} ${route.path}`))) {
		const before = asked.length;
		const answer = await rawCall(gateway.url, { method, path: path.replace("*", "/gpt-4o"), ...(method === "POST" ? { body: BODIES[path] ?? "{}" } : {}) });
		expect([path, answer.status, asked.length - before]).toEqual([path, method === "POST" ? 402 : 200, method === "POST" ? 1 : 0]);
	}
	for (const route of RUN_ROUTES) {
		const [method = "", path = ""] = route.split(" ");
		const answer = await rawCall(gateway.url, { method, path: path.replace(":runId", "r"), ...(path === "/v1/runs" && { body: '{"runId":"r"}' }) });
		expect([route, answer.status]).toEqual([route, path === "/v1/runs" ? 201 : 200]);
	}
	expect(asked).toHaveLength(Object.keys(BODIES).length);
	expect(provider.received).toHaveLength(0);
});

test("a batch is made only after its money was asked for, and no route of batches reaches a provider", async () => {
	const form = ["file", "purpose"].map((name) => `--b\r\nContent-Disposition: form-data; name="${name}"${name === "file" ? '; filename="a"' : ""}\r\n\r\n`);
	const headers = ["authorization", `Bearer ${TEST_KEY}`, "content-type", "multipart/form-data; boundary=b"];
	const file = await rawCall(gateway.url, { path: "/v1/files", headers, body: `${form.join(`${chatLine(1)}\r\n`)}batch\r\n--b--\r\n` });
	const { id } = JSON.parse(file.body.toString());
	const creation = { input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" };
	for (const [path, body] of [
		["/v1/batches", creation],
		["/v1/messages/batches", { requests: [messageRequest(1)] }],
	] as const) {
		const before = stand.asks.length;
		expect([path, (await rawCall(gateway.url, { path, body: JSON.stringify(body) })).status]).toEqual([path, 402]);
		expect(stand.asks.length).toBeGreaterThan(before);
	}
	expect(stand.batches.size).toBe(0);
	const asks = stand.asks.length;
	for (const route of [...FILE_ROUTES, ...BATCH_ROUTES]) {
		const [method = "", path = ""] = route.split(" ");
		await rawCall(gateway.url, { method, path: path.replace(":fileId", id).replace(":batchId", "batch_1") });
	}
	expect(stand.asks).toHaveLength(asks);
	expect(asked).toEqual([]);
	expect(provider.received).toHaveLength(0);
});

test.each([
	["POST", "/v1/completions"],
	["POST", "/v1/images/generations"],
	["POST", "/v1/audio/speech"],
	["POST", "/v1/chat/completions/"],
	["POST", "/V1/chat/completions"],
	["POST", "//v1/chat/completions"],
	["POST", "/v1/chat/completions%2f"],
	["POST", "/v1/responses/compact"],
	["GET", "/v1/responses/resp_1"],
	["GET", "/v1/chat/completions"],
	["PUT", "/v1/messages"],
	["DELETE", "/v1/models/gpt-4o"],
	["HEAD", "/v1/models"],
	["GET", "/"],
])("%s %s is refused and never passed on", async (method, path) => {
	const answer = await rawCall(gateway.url, { method, path, body: '{"model":"gpt-4o"}' });
	expect(answer.status).toBe(404);
	if (method !== "HEAD") expect(JSON.parse(answer.body.toString()).error).toMatchObject({ code: "request.not_found" });
	expect(asked).toHaveLength(0);
	expect(provider.received).toHaveLength(0);
});

test("an unknown path answers an Anthropic client in its own shape", async () => {
	const answer = await rawCall(gateway.url, { path: "/v1/complete", headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"], body: "{}" });
	expect(JSON.parse(answer.body.toString())).toMatchObject({ type: "error", error: { type: "not_found_error" } });
});
