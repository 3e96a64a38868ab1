import { expect } from "vitest";
import { MODEL_ROUTES } from "#gateway/routes/model-routes.ts";
import { largestHoldNanoUsd, MODEL, planCall } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { exchange } from "./raw.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Requests that try to spend without being asked for money, or more than they say. */

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"];
/** Paths of providers, pass-throughs and consoles that somebody may try. */
const OTHER_PATHS = [
	...["completions", "audio/speech", "audio/transcriptions", "images/generations", "moderations", "realtime", "batches", "files", "fine_tuning/jobs"],
	...["assistants", "threads", "vector_stores", "messages/batches", "complete", "rerank", "responses/resp_1", "responses/resp_1/cancel", "models/gpt-4o"],
].map((path) => `/v1/${path}`);
const ODD_PATHS = [
	"/openai/v1/chat/completions",
	"/anthropic/v1/messages",
	"/chat/completions",
	"/key/test",
	"/health/test_connection",
	"/admin/v1/teams",
	"/proxy",
];

const variantsOf = (path: string): string[] => [
	path,
	`${path}/`,
	`/${path}`,
	path.toUpperCase(),
	`${path}?stream=true`,
	`${path};a=b`,
	path.replace("/v1", "/v1/."),
	path.replace("/v1", "/v2/../v1"),
	path.replace("chat", "%63hat"),
	`${path}%2f`,
];

const MESSAGES = { max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
const BODIES: Readonly<Record<(typeof MODEL_ROUTES)[number]["endpoint"], object>> = {
	"chat.completions": { model: MODEL, ...MESSAGES },
	responses: { model: MODEL, input: "hello", max_output_tokens: 20 },
	embeddings: { model: "text-embedding-3-small", input: "hello" },
	messages: { model: "claude-sonnet-5", ...MESSAGES },
	count_tokens: { model: "claude-sonnet-5", messages: MESSAGES.messages },
};
const ANY_BODY = { ...BODIES["chat.completions"], input: "hello", prompt: "hello" };

/** Headers by which a caller may claim to be somebody with money. */
const CLAIMS = [
	"x-tollgate-user: rich",
	"x-tollgate-team: rich",
	"x-user-id: rich",
	"openai-organization: rich",
	"x-litellm-end-user-id: rich",
	"x-tollgate-skip-budget: true",
];

type Tried = { readonly request: string; readonly status: number };

async function tryEverything(run: FaultRun, stand: FaultStand, key: string): Promise<Tried[]> {
	const known = MODEL_ROUTES.flatMap(({ url, endpoint }) => variantsOf(url).map((path) => ({ path, body: JSON.stringify(BODIES[endpoint]) })));
	const other = [...OTHER_PATHS, ...ODD_PATHS].flatMap((path) => [path, `${path}/`].map((variant) => ({ path: variant, body: JSON.stringify(ANY_BODY) })));
	const tries = [...known, ...other].flatMap((one) => METHODS.map((method) => ({ ...one, method })));
	return inTurns(tries, 8, async ({ path, body, method }) => {
		const head = [
			`${method} ${path} HTTP/1.1`,
			"host: gateway",
			`authorization: Bearer ${key}`,
			"content-type: application/json",
			"anthropic-version: 2023-06-01",
		];
		const bytes = [...head, run.random.pick(CLAIMS), `content-length: ${body.length}`, "connection: close", "", body].join("\r\n");
		const { status } = await exchange(stand.gateway(run.random.integer(0, stand.gateways.length - 1)).url, bytes);
		return { request: `${method} ${path}`, status };
	});
}

export async function inTurns<Item, Result>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<Result>): Promise<Result[]> {
	const results: Result[] = [];
	const left = [...items];
	const one = async (): Promise<void> => {
		while (left.length > 0) results.push(await work(left.shift() as Item));
	};
	await Promise.all(Array.from({ length: atOnce }, one));
	return results;
}

type Oversized = { readonly name: string; readonly body: Record<string, unknown> };

/** Calls that ask for far more than a team has, and say so, or do not. */
function oversized(run: FaultRun): Oversized {
	const { random } = run;
	const text = random.text(random.integer(1, 8) * 5_000);
	const message = (content: string) => ({ model: MODEL, messages: [{ role: "user", content }] });
	return random.pick<Oversized>([
		{ name: "no cap", body: message("hello") },
		{ name: "ten times the money", body: { ...message("hello"), max_tokens: 100_000 } },
		{ name: "long input", body: { ...message(text), max_tokens: 20 } },
		{ name: "long input, no cap", body: message(text) },
		{ name: "many answers", body: { ...message("hello"), max_tokens: 200, n: 16 } },
		{ name: "a cap that is none", body: { ...message("hello"), max_tokens: random.pick([0, -1, 1.5, 1e30, "20"]) } },
		{ name: "two caps", body: { ...message("hello"), max_tokens: 10, max_completion_tokens: 100_000 } },
	]);
}

export const REQUEST_FAULTS: readonly Fault[] = [
	{
		id: "F20",
		name: "every route, method and spelling of it, with a key whose team has no money",
		async run(run) {
			const stand = await run.open();
			const poor = await stand.base.team(1n, { admissionWaitMs: 0 });
			const before = await stand.base.provider.control("state");
			const tried = await tryEverything(run, stand, poor.key);
			const after = await stand.base.provider.control("state");
			expect(Number(after["billedCalls"]), "calls the provider billed").toBe(Number(before["billedCalls"]));
			// Counting tokens is free and the model list is ours: nothing else is answered.
			const answered = tried.filter(({ status }) => status >= 200 && status < 300).map(({ request }) => request);
			expect(answered.filter((request) => !/count_tokens|GET \/v1\/models\//.test(request))).toEqual([]);
			// 403: this one claimed to be somebody else.
			for (const { url, endpoint } of MODEL_ROUTES.filter((route) => route.endpoint !== "count_tokens")) {
				const headers = { authorization: `Bearer ${poor.key}`, "content-type": "application/json", "anthropic-version": "2023-06-01" };
				const plain = await fetch(`${stand.gateway(0).url}${url}`, { method: "POST", headers, body: JSON.stringify(BODIES[endpoint]) });
				expect([url, plain.status], await plain.text()).toEqual([url, 402]);
			}
			const counts = await stand.finish([]);
			expect(counts.admitted - tried.filter(({ request, status }) => request.includes("count_tokens") && status === 200).length).toBe(0);
			return { counts, recoveryMs: null, note: `${tried.length} requests` };
		},
	},
	{
		id: "F21",
		name: "requests without a cap, with ten times the money, or longer than they look",
		isShort: true,
		async run(run) {
			// Megabytes, drawn before the stand's database proxy has to answer in this process.
			const asks = Array.from({ length: 160 }, () => ({ ...oversized(run), team: run.random.integer(0, 7), gateway: run.random.integer(0, 3) }));
			const stand = await run.open();
			const load = await stand.load(run.random);
			const largest = largestHoldNanoUsd({ ...planCall(stand.ample, run.random), maxTokens: 400 });
			const teams = await Promise.all(Array.from({ length: 8 }, () => stand.base.team(largest * BigInt(run.random.integer(1, 5)), { admissionWaitMs: 100 })));
			await load.beginFault(LEASE_MS);
			const ends = await inTurns(asks, 12, async ({ name, body, team, gateway }) => {
				const response = await fetch(`${stand.gateway(gateway).url}/v1/chat/completions`, {
					method: "POST",
					headers: { authorization: `Bearer ${teams[team]?.key}`, "content-type": "application/json" },
					body: JSON.stringify(body),
				});
				await response.arrayBuffer();
				return { name, status: response.status };
			});
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			expect(ends.filter(({ status }) => ![200, 400, 402, 422].includes(status))).toEqual([]);
			expect(ends.filter(({ name, status }) => name === "a cap that is none" && status === 200)).toEqual([]);
			expect(ends.filter(({ name, status }) => name === "no cap" && status === 200).length, "calls clamped into the money there was").toBeGreaterThan(0);
			return { counts: await stand.finish(load.records), recoveryMs: null };
		},
	},
];
