import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readKeys, signatureHeaders } from "#activities/alerts/webhook.ts";
import type { SeenDeferred } from "#test/batches/check/deferred-caller.ts";
import { type DeferredItem, deferredOrder } from "#test/batches/check/deferred-order.ts";
import { judgeWebhooks, type WebhookBooks } from "#test/batches/check/judge-webhooks.ts";
import type { DeferredRun } from "#test/batches/check/run-deferred.ts";
import { type Delivery, WebhookReceiver } from "#test/batches/check/webhook-receiver.ts";
import { createRandom } from "#test/faults/random.ts";

/** What `npm run check:batch` takes for broken of webhooks, and what not; and the receiver that it runs. */

const SEEN: SeenDeferred = {
	...{ id: "deferred_1", status: "succeeded", lane: "batch", deadlineMs: 30_000, answeredAtMs: 20_000, isLate: false, heldNanoUsd: "0", costNanoUsd: "7" },
	answer: { statusCode: 200, id: "chatcmpl-first", usage: {}, isError: false },
	webhook: "team-takes",
	digest: "d1",
};
const ITEM: DeferredItem = {
	...{ name: "team-1", hasIdempotencyKey: true, key: 0, model: "gpt-4o", feature: null, user: null, text: "question", fate: "answered" },
	...{ deadlineSeconds: 20, isBatchOnly: false, atMs: 0, cancelAfterMs: null, isRepeated: false, webhook: "team-takes" },
};
const DATA = {
	...{ id: "deferred_1", status: "succeeded", team_id: "team", lane: "batch", status_code: 200, deadline: "1970-01-01T00:00:30.000Z" },
	...{ answered_at: "1970-01-01T00:00:20.000Z", is_late: false },
};
const bodyOf = (data: object = {}): string => JSON.stringify({ type: "deferred.ended", timestamp: "1970-01-01T00:00:20.000Z", data: { ...DATA, ...data } });
const TOLD: Delivery = { channel: "team-takes", id: "deferred_1", problem: null, body: bodyOf(), answer: "taken", atMs: 20_500 };
const ROW = { deferred_id: "deferred_1", team_id: "team", channel: "team-takes", state: "delivered" };
const NO_WEBHOOK = { seen: { webhook: null }, item: { webhook: null } };
const REFUSING = { seen: { webhook: "team-refuses" }, item: { webhook: "team-refuses" } };
const REFUSED: Partial<WebhookBooks> = {
	deliveries: [{ ...TOLD, channel: "team-refuses", answer: "refused" }],
	rows: [{ ...ROW, channel: "team-refuses", state: "dead" }],
	undelivered: [{ team_id: "team", channel: "team-refuses" }],
};

type Given = { readonly seen?: Partial<SeenDeferred>; readonly item?: Partial<DeferredItem>; readonly books?: Partial<WebhookBooks> };

function judge({ seen = {}, item = {}, books = {} }: Given = {}) {
	const one: SeenDeferred = { ...SEEN, ...seen };
	const run: DeferredRun = {
		...{ order: deferredOrder.parse({ protocol: "openai", items: 1 }), teamId: "team", refused: [], unheard: [], lostAnswers: 0 },
		accepted: [{ item: { ...ITEM, ...item }, ids: [one.id], seen: one }],
		read: () => Promise.resolve(one),
	};
	return judgeWebhooks({ runs: [run], deliveries: [TOLD], rows: [ROW], undelivered: [], outages: [], ...books });
}

test("an end that its channel was told once is counted; one that named no channel is told to nobody", () => {
	expect(judge()).toEqual({ taken: 1, refused: 0, messages: 1, failures: 0 });
	expect(judge({ ...NO_WEBHOOK, books: { deliveries: [], rows: [] } })).toEqual({ taken: 0, refused: 0, messages: 0, failures: 0 });
});

test("what the receiver failed, or cut, or never answered is told again, under its id", () => {
	const failed = (["failed", "hung", "cut"] as const).map((answer) => ({ ...TOLD, answer }));
	expect(judge({ books: { deliveries: [...failed, TOLD] } })).toEqual({ taken: 1, refused: 0, messages: 4, failures: 3 });
});

test("what a channel refuses for good is told to people", () => {
	expect(judge({ ...REFUSING, books: REFUSED })).toEqual({ taken: 0, refused: 1, messages: 1, failures: 0 });
});

test("an item that was cancelled before anybody answered is told as it stands", () => {
	const seen = { status: "cancelled", lane: null, answer: null, deadlineMs: null };
	const told = { ...TOLD, body: bodyOf({ status: "cancelled", lane: null, status_code: null, deadline: null }) };
	expect(judge({ seen, books: { deliveries: [told] } }).taken).toBe(1);
});

test.each(["worker", "postgres"])("a %s that was killed tells again what it could not record", (component) => {
	const outages = [{ component, fromMs: 20_600, untilMs: 21_000 }];
	expect(judge({ books: { deliveries: [TOLD, { ...TOLD, atMs: 22_000 }], outages } })).toMatchObject({ taken: 1, messages: 2 });
});

const AGAIN = { ...TOLD, atMs: 22_000 };
const FOREIGN = { channel: "other-takes", body: bodyOf({ team_id: "other" }) };

test.each<[string, Given, RegExp]>([
	[
		"a message without a signature",
		{ books: { deliveries: [{ ...TOLD, problem: "Missing required headers", answer: "refused" }] } },
		/refused its signature: Miss/,
	],
	["an end that nobody was told", { books: { deliveries: [] } }, /deferred_1 is succeeded, and team-takes was never told/],
	[
		"an end told twice under two ids",
		{
			books: {
				deliveries: [
					{ ...TOLD, answer: "cut" },
					{ ...AGAIN, id: "msg_2" },
				],
			},
		},
		/more than one id: deferred_1 and msg_2/,
	],
	["an id that is not the item's", { books: { deliveries: [{ ...TOLD, id: "msg_1" }] } }, /told under the id msg_1/],
	["an item without a webhook", { ...NO_WEBHOOK, books: { rows: [] } }, /named no channel, and team-takes was told/],
	["an item told to another team's channel", { books: { deliveries: [{ ...TOLD, channel: "other-takes" }] } }, /named team-takes, and other-takes was told/],
	["an item told as another team's", { books: { deliveries: [{ ...TOLD, ...FOREIGN, channel: "team-takes" }] } }, /of team was told as one of other/],
	[
		"an item that nobody handed in",
		{ books: { deliveries: [TOLD, { ...TOLD, body: bodyOf({ id: "deferred_2" }) }] } },
		/told of deferred_2, which nobody handed in/,
	],
	["another status", { books: { deliveries: [{ ...TOLD, body: bodyOf({ status: "failed" }) }] } }, /told as .*failed.*, and its record says .*succeeded/],
	["another status code", { books: { deliveries: [{ ...TOLD, body: bodyOf({ status_code: 500 }) }] } }, /told as .*500.*, and its record says .*200/],
	["another lane", { books: { deliveries: [{ ...TOLD, body: bodyOf({ lane: "real_time" }) }] } }, /told as .*real_time/],
	["another time", { books: { deliveries: [{ ...TOLD, body: bodyOf({ answered_at: "1970-01-01T00:00:21.000Z" }) }] } }, /told as .*21000/],
	["another deadline", { books: { deliveries: [{ ...TOLD, body: bodyOf({ deadline: null }) }] } }, /told as .*"deadlineMs":null/],
	["an item in time told as late", { books: { deliveries: [{ ...TOLD, body: bodyOf({ is_late: true }) }] } }, /told as .*"isLate":true/],
	[
		"other words for the same",
		{
			books: {
				deliveries: [
					{ ...TOLD, answer: "failed" },
					{ ...AGAIN, body: `${bodyOf()} ` },
				],
			},
		},
		/in other words/,
	],
	["words that nobody knows", { books: { deliveries: [{ ...TOLD, body: bodyOf({ answer: "leaks" }) }] } }, /words that nobody knows/],
	["no words at all", { books: { deliveries: [{ ...TOLD, body: "" }] } }, /words that nobody knows/],
	["a message again after it was taken", { books: { deliveries: [TOLD, AGAIN] } }, /was taken, and told again 1500 ms later: nothing was killed/],
	[
		"one again after a kill that was long before",
		{
			books: {
				deliveries: [
					{ ...TOLD, atMs: 60_000 },
					{ ...TOLD, atMs: 62_000 },
				],
				outages: [{ component: "worker", fromMs: 1_000, untilMs: 2_000 }],
			},
		},
		/nothing was killed/,
	],
	["a channel other than the caller's", { seen: { webhook: "team-refuses" } }, /team-1 named the channel team-takes, and deferred_1 says team-refuses/],
])("a delivery: %s is broken", (_what, given, complaint) => {
	expect(() => judge(given)).toThrow(complaint);
});

test.each<[string, Given, RegExp]>([
	["one that waits", { books: { rows: [{ ...ROW, state: "waiting" }] } }, /is waiting, not delivered/],
	["one that was given up though its channel takes all", { books: { rows: [{ ...ROW, state: "dead" }] } }, /is dead, not delivered/],
	["one called delivered that was never taken", { books: { deliveries: [{ ...TOLD, answer: "failed" }] } }, /is delivered, and team-takes never said so/],
	["none of an item that asked", { books: { rows: [] } }, /asked for a webhook to team-takes, and the books have none/],
	["one that nobody asked for", { ...NO_WEBHOOK, books: { deliveries: [] } }, /is in the books, and nobody asked for it/],
	["one to another channel", { books: { rows: [{ ...ROW, channel: "team-refuses" }] } }, /to team-refuses is in the books, and nobody asked/],
	["one given up in silence", { ...REFUSING, books: { ...REFUSED, undelivered: [] } }, /team-refuses of team refused what it was told, and no alert/],
	["an alert of nothing", { books: { undelivered: [{ team_id: "team", channel: "team-takes" }] } }, /an alert says that team-takes of team was not told/],
])("the books: %s is broken", (_what, given, complaint) => {
	expect(() => judge(given)).toThrow(complaint);
});

let folder: string;
let receiver: WebhookReceiver;
beforeEach(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-receiver-"));
	receiver = await WebhookReceiver.open(folder, createRandom(7));
});
afterEach(async () => {
	await receiver.close();
	rmSync(folder, { recursive: true });
});

/** The status of the answer; undefined where there is none. */
async function tell(
	channel: { readonly config: Readonly<Record<string, unknown>> },
	id: string,
	{ isSigned = true, signal }: { readonly isSigned?: boolean; readonly signal?: AbortSignal } = {},
) {
	const keys = readKeys(readFileSync(String(channel.config["secretFile"]), "utf8"));
	const body = bodyOf({ id });
	const headers = isSigned ? signatureHeaders({ id, body, nowMs: Date.now(), keys }) : { "webhook-id": id };
	const answer = await fetch(String(channel.config["url"]), { method: "POST", headers, body, ...(signal && { signal }) }).catch(() => undefined);
	return answer?.status;
}

test("the receiver fails in every way, of one id three times at most, and takes what it is told then", async () => {
	const [takes, refuses] = receiver.channelsFor("team");
	if (takes === undefined || refuses === undefined) throw new Error("no channels");
	for (let n = 1; n <= 60; n += 1) {
		let status: number | undefined;
		for (let tries = 0; status !== 204 && tries < 4; tries += 1) {
			const hangingUp = new AbortController();
			const answered = tell(takes, `deferred_${n}`, { signal: hangingUp.signal });
			const heard = receiver.deliveries.length;
			while (receiver.deliveries.length === heard) await new Promise((resolve) => setImmediate(resolve));
			if (receiver.deliveries.at(-1)?.answer === "hung") hangingUp.abort();
			status = await answered;
		}
		expect(status, `deferred_${n}`).toBe(204);
	}
	const answers = new Set(receiver.deliveries.map(({ answer }) => answer));
	expect(answers).toEqual(new Set(["taken", "failed", "cut", "hung"]));
	expect(receiver.deliveries.filter(({ problem }) => problem !== null)).toEqual([]);
	expect(await tell(takes, "deferred_unsigned", { isSigned: false })).toBe(400);
	expect(receiver.deliveries.at(-1)).toMatchObject({ id: "deferred_unsigned", problem: "Missing required headers", answer: "refused" });
	expect(await tell({ config: { ...refuses.config, secretFile: takes.config["secretFile"] } }, "deferred_strange")).toBe(400);
	expect(receiver.deliveries.at(-1)?.problem, "signed with another channel's secret").toBe("No matching signature found");
});

test("a channel whose receiver says never says so of whatever it does not fail", async () => {
	const [, refuses] = receiver.channelsFor("team");
	if (refuses === undefined) throw new Error("no channel");
	for (let n = 0; n < 3; n += 1) receiver.deliveries.push({ ...TOLD, id: "deferred_9", answer: "failed" });
	expect(await tell(refuses, "deferred_9")).toBe(410);
});
