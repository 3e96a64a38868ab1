import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { changedMarks, readChangeMarks } from "#activities/administration/change-marks.ts";
import { type Caller, CSRF_HEADER, SESSION_COOKIE } from "#gateway/administration/caller.ts";
import { ChangeFeed } from "#gateway/administration/change-feed.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { type OwnedThings, seedOwnedThings } from "#test/support/owned-things.ts";
import { until } from "#test/support/until.ts";

const BEAT_MS = 50;
let administration: TestAdministration;
let origin: string;
let alpha: OwnedThings;
let beta: OwnedThings;
const open: Listening[] = [];

beforeAll(async () => {
	administration = await openTestAdministration({ changeFeed: { lookMs: 50, beatMs: BEAT_MS } });
	origin = await administration.app.listen({ host: "127.0.0.1", port: 0 });
	[alpha, beta] = (await seedOwnedThings(administration, ["alpha", "beta"])) as [OwnedThings, OwnedThings];
});
afterEach(async () => {
	for (const listening of open.splice(0)) await listening.stop();
	expect(administration.unexpected).toEqual([]);
});
afterAll(() => administration.close());

type Listening = { readonly status: number; text(): string; topics(): string[]; hasEnded(): boolean; stop(): Promise<void> };

async function listen(headers: Record<string, string> = { authorization: `Bearer ${administration.adminKey}` }): Promise<Listening> {
	const abort = new AbortController();
	const answer = await fetch(`${origin}/admin/v1/events`, { headers, signal: abort.signal });
	let text = "";
	const read = async () => {
		for await (const chunk of answer.body ?? []) text += Buffer.from(chunk as Uint8Array).toString("utf8");
	};
	let isOver = false;
	const over = () => {
		isOver = true;
	};
	const ended = read().then(over, over);
	const topicsIn = (found: string) => [...found.matchAll(/^data: (.*)$/gm)].flatMap(([, json = ""]) => (JSON.parse(json) as { topics: string[] }).topics);
	const listening = {
		status: answer.status,
		text: () => text,
		topics: () => [...new Set(topicsIn(text))].sort(),
		hasEnded: () => isOver,
		async stop() {
			abort.abort();
			await ended;
		},
	};
	open.push(listening);
	await until("its first line", () => answer.status !== 200 || text.includes(": listening"));
	return listening;
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = { authorization: `Bearer ${administration.adminKey}` }) {
	const answer = await fetch(`${origin}/admin/v1${path}`, {
		method,
		headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
		...(body !== undefined && { body: JSON.stringify(body) }),
	});
	return { status: answer.status, cookie: answer.headers.get("set-cookie") ?? "", body: (await answer.json()) as Record<string, string> };
}

async function signIn(grant: object = {}) {
	const link = await send("POST", "/console-links", grant);
	const { cookie, body } = await send("POST", "/session", { link: link.body["path"]?.split("#")[1] }, {});
	const headers = { cookie: `${SESSION_COOKIE}=${new RegExp(`${SESSION_COOKIE}=([^;]*)`).exec(cookie)?.[1]}` };
	return { headers, changing: { ...headers, [CSRF_HEADER]: body["csrfToken"] ?? "" } };
}

const heard = (listening: Listening, ...topics: string[]) =>
	until(`${topics.join(", ")} among ${listening.topics().join(", ")}`, () => topics.every((topic) => listening.topics().includes(topic)));

/** Another one like those its team has. */
const bookCall = (teamId: string, at = "now()") =>
	administration.pool.query(
		`INSERT INTO tollgate.attempt SELECT (jsonb_populate_record(a, jsonb_build_object('attempt_id', gen_random_uuid(), 'at', ${at}))).*
		 FROM tollgate.attempt a WHERE team_id = $1 LIMIT 1`,
		[teamId],
	);

describe("events", () => {
	const changes: readonly (readonly [string, () => Promise<unknown>, readonly string[]])[] = [
		["a call", () => bookCall("alpha"), ["budgets", "spend"]],
		["a key", () => send("POST", "/keys", { teamId: "alpha" }), ["keys", "policy"]],
		["a budget", () => send("PUT", "/budgets", { teamId: "alpha", windowKind: "month", limitUsd: "3" }), ["budgets", "policy"]],
		["an increase", () => send("POST", "/increases", { teamId: "alpha", windowKind: "day", amountUsd: "2", reason: "so" }), ["budgets", "increases"]],
		["a run that is stopped", () => send("POST", `/runs/${alpha.runId}/stop`, { reason: "so" }), ["runs"]],
		["a batch", () => administration.pool.query("UPDATE tollgate.batch SET version = version + 1 WHERE id = $1", [alpha.batchId]), ["batches"]],
		[
			"an alert",
			() => administration.pool.query("SELECT tollgate.raise_alert('k2', 'alpha', '', 'velocity.key', 'warning', true, '{\"posted\": \"1\"}')"),
			["alerts"],
		],
		["a report", () => administration.pool.query("UPDATE tollgate.report SET edition = 2 WHERE team_id = 'alpha'"), ["reports"]],
		[
			"a refusal",
			() =>
				administration.pool.query(
					"INSERT INTO tollgate.refusal (refusal_id, refused_at, request_id, gateway_id, epoch, team_id, key_id, code) VALUES ('r2', now(), 'q2', 'g1', 1, 'alpha', 'k', 'budget.none')",
				),
			["budgets"],
		],
		["a price", () => administration.pool.query("SELECT tollgate.record_change('price', 'openai/x', 'ada', '{}')"), ["prices"]],
		[
			"a month",
			() =>
				administration.pool.query(
					"INSERT INTO tollgate.statement_month (month, starts_at, ends_at, state) VALUES ('2026-08-01', '2026-08-01T00:00Z', '2026-09-01T00:00Z', 'drafting')",
				),
			["statements"],
		],
	];

	test.each(changes)("%s is told to whoever may see it, and to nobody else", async (_, change, topics) => {
		const all = await listen();
		const owner = await listen((await signIn({ role: "team-owner", teamIds: ["alpha"] })).headers);
		const other = await listen((await signIn({ role: "team-owner", teamIds: ["beta"] })).headers);
		await change();
		await heard(all, ...topics);
		await heard(owner, ...topics);
		// Something of everybody, to know that the other has been told of what was before.
		const isOfEverybody = topics.includes("prices") || topics.includes("statements");
		await administration.pool.query("SELECT tollgate.record_change('price', 'openai/y', 'ada', '{}')");
		await heard(other, "prices");
		expect(other.topics().filter((topic) => topic !== "prices" && topic !== "statements")).toEqual([]);
		expect(other.topics().includes("statements")).toBe(isOfEverybody && topics.includes("statements"));
	});

	test("name topics alone: no team, no id, no amount", async () => {
		const all = await listen();
		await send("POST", "/keys", { teamId: "beta" });
		await heard(all, "keys");
		for (const id of Object.values(beta)) expect(all.text()).not.toContain(id);
	});

	test("whoever comes again is told that everything may have changed", async () => {
		const again = await listen({ authorization: `Bearer ${administration.adminKey}`, "last-event-id": "7" });
		await heard(again, "spend", "budgets", "increases", "runs", "batches", "alerts", "reports", "statements", "policy", "keys", "prices");
	});

	test("keep the connection open by comments", async () => {
		const one = await listen();
		await until("two comments", () => one.text().split(": still here").length > 2);
	});

	test("end at sign-out, when the key is revoked, and when the session expires", async () => {
		const leaving = await signIn();
		const signedOut = await listen(leaving.headers);
		await send("DELETE", "/session", undefined, leaving.changing);
		await until("the end of what was signed out", signedOut.hasEnded);
		const { body: eve } = await send("POST", "/admin-keys", { name: "eve" });
		const revoked = await listen({ authorization: `Bearer ${eve["key"]}` });
		await send("POST", `/admin-keys/${eve["id"]}/revoke`, {});
		await until("the end with its key", revoked.hasEnded);
		const old = await listen((await signIn({ name: "old" })).headers);
		await administration.pool.query("UPDATE tollgate.console_session SET expires_at = now() WHERE name = 'old'");
		await until("the end with its session", old.hasEnded);
	});

	test("are kept to so many listeners", async () => {
		const session = await signIn();
		const listening = await Promise.all(Array.from({ length: 20 }, () => listen(session.headers)));
		expect(listening.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
		expect((await listen(session.headers)).status).toBe(503);
		expect((await listen()).status).toBe(200);
	});

	test("need a key or a session", async () => {
		expect((await listen({})).status).toBe(401);
	});
});

describe("a feed", () => {
	const caller: Caller = { name: "ada", role: "operator", teamIds: null, adminKeyId: null, session: null, secret: "" };
	function countingFeed() {
		let queries = 0;
		const database = {
			query: (text: string, values?: unknown[]) => {
				queries += 1;
				return administration.pool.query(text, values);
			},
		} as typeof administration.pool;
		const problems: unknown[] = [];
		return { feed: new ChangeFeed({ database, onProblem: (error) => problems.push(error), lookMs: 10, beatMs: 60_000 }), queries: () => queries, problems };
	}

	test("looks once for all who listen, and not at all when the last one has left", async () => {
		const [left, listened] = [countingFeed(), countingFeed()];
		const stream = await left.feed.listen(caller, { lastEventId: undefined });
		const others = await Promise.all(Array.from({ length: 10 }, () => listened.feed.listen({ ...caller, secret: "other" }, { lastEventId: undefined })));
		await until("looks", () => left.queries() > 9);
		stream.destroy();
		await until("its end", () => stream.closed);
		const before = listened.queries();
		// A look that was under way may end.
		const atMost = left.queries() + 3;
		await until("looks of the other", () => listened.queries() > before + 30);
		expect(left.queries()).toBeLessThanOrEqual(atMost);
		for (const other of others) other.destroy();
		expect(left.problems.concat(listened.problems)).toEqual([]);
	});

	test("tells what it missed while PostgreSQL was away, and closes at shutdown", async () => {
		let isAway = false;
		const problems: unknown[] = [];
		const database = {
			query: (text: string, values?: unknown[]) => (isAway ? Promise.reject(new Error("Connection terminated")) : administration.pool.query(text, values)),
		} as typeof administration.pool;
		const feed = new ChangeFeed({ database, onProblem: (error) => problems.push(error), lookMs: 10, beatMs: 60_000 });
		const stream = await feed.listen(caller, { lastEventId: undefined });
		let text = "";
		stream.on("data", (data: Buffer) => {
			text += data.toString("utf8");
		});
		isAway = true;
		await until("looks that fail", () => problems.length > 2);
		await send("POST", "/keys", { teamId: "alpha" });
		isAway = false;
		await until("what was missed", () => text.includes('"keys"'));
		feed.closeAll();
		await until("its end", () => stream.closed);
		await expect(feed.listen(caller, { lastEventId: undefined })).rejects.toMatchObject({ code: "gateway.overloaded" });
	});
});

test("a call that is written down later than another is told too", async () => {
	const before = await readChangeMarks(administration.pool, await readChangeMarks(administration.pool, undefined));
	await bookCall("beta", "now() - interval '2 seconds'");
	const after = await readChangeMarks(administration.pool, before);
	expect(changedMarks(before, after)).toContainEqual({ topic: "spend", teamId: "beta" });
	expect(changedMarks(after, await readChangeMarks(administration.pool, after))).toEqual([]);
});
