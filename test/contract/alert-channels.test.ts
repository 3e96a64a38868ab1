import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createHttpClient } from "#activities/alerts/http.ts";
import { createAlertSender } from "#activities/alerts/sender.ts";
import type { Alert } from "#domain/alerts/alert.ts";
import {
	type AlertReceiver,
	startAlertmanagerReceiver,
	startPagerDutyReceiver,
	startSlackReceiver,
	startWebhookReceiver,
} from "#test/support/alert-receivers.ts";
import { secretsOf } from "#test/support/alert-secrets.ts";

/** Each kind of channel against a receiver that takes nothing the real one would not. */
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
const ROUTING_KEY = "c0ffee00c0ffee00c0ffee00c0ffee00";
const NOW_MS = Date.parse("2026-11-26T10:05:00Z");
const secrets = new Map([
	["WEBHOOK_SECRET", SECRET],
	["ROUTING_KEY", ROUTING_KEY],
]);
const http = createHttpClient({ timeoutMs: 400 });
const sender = createAlertSender({ http, readSecret: secretsOf(secrets), runbooksUrl: "https://wiki.example/runbooks", now: () => clock() });
let clock = (): number => NOW_MS;
const receivers: Record<string, AlertReceiver> = {};

beforeAll(async () => {
	receivers["slack"] = await startSlackReceiver();
	receivers["pagerduty"] = await startPagerDutyReceiver();
	receivers["alertmanager"] = await startAlertmanagerReceiver();
	receivers["webhook"] = await startWebhookReceiver(SECRET);
	secrets.set("SLACK_URL", receivers["slack"].url);
});
afterEach(() => {
	clock = () => NOW_MS;
	for (const receiver of Object.values(receivers)) {
		expect(receiver.problems).toEqual([]);
		receiver.taken.length = 0;
		receiver.answers.length = 0;
	}
});
afterAll(async () => {
	await Promise.all(Object.values(receivers).map((receiver) => receiver.close()));
	await http.close();
});

const receiver = (kind: string): AlertReceiver => receivers[kind]!;
const CONFIGS: Readonly<Record<string, () => object>> = {
	slack: () => ({ urlEnv: "SLACK_URL", allowPrivate: true }),
	pagerduty: () => ({ url: receiver("pagerduty").url, routingKeyEnv: "ROUTING_KEY", allowPrivate: true }),
	alertmanager: () => ({ url: receiver("alertmanager").url, allowPrivate: true }),
	webhook: () => ({ url: receiver("webhook").url, secretEnv: "WEBHOOK_SECRET", allowPrivate: true }),
};
const rowOf = (kind: string) => ({ kind, config: CONFIGS[kind]?.() });
const send = (kind: string, alert: Alert, mayHaveArrived = false) => {
	// The verifier of webhooks compares with the real clock.
	if (kind === "webhook") clock = Date.now;
	return sender.send(rowOf(kind), alert, { mayHaveArrived });
};

const firing: Alert = {
	id: "alr_0123456789abcdef01234567",
	atMs: Date.parse("2026-11-26T10:00:00Z"),
	teamId: "search",
	subject: "team||nano_usd|day",
	kind: "budget.stopped",
	severity: "critical",
	isFiring: true,
	ends: [],
	detail: { budget: "team||nano_usd|day", amount: "250000000", posted: "251000000", limitAmount: "250000000", action: "stop", windowStartsAtMs: 1763856000000 },
};
const over: Alert = {
	...firing,
	id: "alr_fedcba9876543210fedcba98",
	atMs: firing.atMs + 60_000,
	kind: "budget.withdrawn",
	severity: "info",
	isFiring: false,
	ends: [{ id: firing.id, kind: firing.kind, severity: firing.severity, atMs: firing.atMs }],
};
const notice: Alert = { ...firing, kind: "change.refused", severity: "error", isFiring: false, detail: { problem: "limit_amount <> 13", requestedBy: "ada" } };
/** As long and as hostile as names and texts of callers get. */
const hostile: Alert = {
	...firing,
	teamId: "t".repeat(63),
	subject: `user|<!channel> & <https://evil.example|x>${"y".repeat(80)}|tokens|month`,
	detail: {
		...firing.detail,
		budget: `user|<!channel> & <https://evil.example|x>${"y".repeat(80)}|tokens|month`,
		accounts: "z".repeat(9_000),
		problem: "😀".repeat(3_000),
		requestedBy: "r".repeat(900),
		increase: "q".repeat(900),
		reason: "w".repeat(900),
		usualPerHour: 4,
		endsAtMs: 1763942400000,
	},
};

describe.each(["slack", "pagerduty", "alertmanager", "webhook"])("%s", (kind) => {
	test.each([
		["what fires", firing],
		["what is over", over],
		["what only happened", notice],
		["texts without bounds", hostile],
	])("takes %s", async (_what, alert) => {
		expect(await send(kind, alert)).toMatchObject({ kind: "delivered" });
		expect(receiver(kind).taken).toHaveLength(1);
	});

	test("that says never is final, one that is overloaded is asked again, in its own time", async () => {
		receiver(kind).answers.push((response) => response.writeHead(404).end("no_service"));
		expect(await send(kind, firing)).toMatchObject({ kind: "failed", isFinal: true, mayHaveArrived: false, said: "404 no_service" });
		receiver(kind).answers.push((response) => response.writeHead(429, { "retry-after": "7" }).end("rate_limited"));
		expect(await send(kind, firing)).toMatchObject({ kind: "failed", isFinal: false, mayHaveArrived: false, pauseMs: 7_000 });
		receiver(kind).answers.push((response) => response.writeHead(502).end("<html>"));
		expect(await send(kind, firing)).toMatchObject({ kind: "failed", isFinal: false, mayHaveArrived: true });
	});

	test("that takes it and does not answer may have it", async () => {
		receiver(kind).answers.push("none");
		expect(await send(kind, firing)).toEqual({ kind: "failed", said: "no answer within 400 ms", isFinal: false, mayHaveArrived: true, pauseMs: 0 });
		expect(receiver(kind).taken).toHaveLength(1);
	});

	test("that sends elsewhere is not followed", async () => {
		receiver(kind).answers.push((response) => response.writeHead(307, { location: receiver(kind).url }).end());
		expect(await send(kind, firing)).toMatchObject({ kind: "failed", isFinal: true, said: "307; redirects are not followed" });
		expect(receiver(kind).taken).toHaveLength(0);
	});

	test("that repeats our secrets, or answers without end, leaves none of it in what is kept", async () => {
		receiver(kind).answers.push((response) => {
			response.writeHead(400);
			response.write(`${SECRET} ${ROUTING_KEY} ${receiver("slack").url} ${new URL(receiver("slack").url).pathname}`);
			response.end("x".repeat(1_000_000));
		});
		const outcome = await send(kind, firing);
		const ours = { slack: "slackWebhookCanary0000", pagerduty: ROUTING_KEY, alertmanager: "\u0000", webhook: SECRET }[kind] ?? "";
		expect(outcome.said).not.toContain(ours);
		expect(outcome.said.length).toBeLessThan(400);
	});
});

describe("Slack", () => {
	const shown = () =>
		receiver("slack")
			.taken.map(({ body }) => body)
			.join("\n");

	test("shows money as dollars, the runbook as a link, and mentions nobody", async () => {
		await send("slack", firing);
		expect(shown()).toContain("<https://wiki.example/runbooks/budget-stopped.md|Runbook>");
		expect(shown()).toContain("$0.251");
		await send("slack", hostile);
		expect(shown()).not.toMatch(/<!|<https:\/\/evil/);
		expect(shown()).toContain("&lt;!channel&gt; &amp; &lt;https://evil.example|x&gt;");
	});

	test("is told that a message may be a repeat, only when it may be", async () => {
		await send("slack", firing);
		expect(shown()).not.toContain("possibly a repeat");
		await send("slack", firing, true);
		expect(shown()).toContain("(possibly a repeat)");
	});
});

describe("PagerDuty", () => {
	test("is resolved by the key it was triggered with", async () => {
		await send("pagerduty", firing);
		await send("pagerduty", over);
		const events = receiver("pagerduty").taken.map(({ json }) => json as { event_action: string; dedup_key: string });
		expect(events.map(({ event_action, dedup_key }) => [event_action, dedup_key])).toEqual([
			["trigger", firing.id],
			["resolve", firing.id],
		]);
	});

	test("resolves everything that one alert ends, from the first again where one of them failed", async () => {
		const both: Alert = { ...over, ends: [...over.ends, { ...over.ends[0]!, id: "alr_second" }] };
		receiver("pagerduty").answers.push(
			(response) => response.writeHead(202).end(),
			(response) => response.writeHead(503).end(),
		);
		expect(await send("pagerduty", both)).toMatchObject({ kind: "failed", isFinal: false });
		expect(await send("pagerduty", both)).toMatchObject({ kind: "delivered" });
		expect(receiver("pagerduty").taken.map(({ json }) => (json as { dedup_key: string }).dedup_key)).toEqual([firing.id, "alr_second"]);
	});
});

describe("Alertmanager", () => {
	type Told = { labels: Record<string, string>; startsAt: string; endsAt: string };
	const told = () => receiver("alertmanager").taken.flatMap(({ json }) => json as Told[]);

	test("is told an end a few minutes ahead, again in one message for all that fires, and in the end when it was over, by the same labels", async () => {
		await send("alertmanager", firing);
		clock = () => NOW_MS + 60_000;
		expect(await sender.resend(rowOf("alertmanager"), [firing, { ...firing, id: "alr_other" }])).toMatchObject({ kind: "delivered" });
		await send("alertmanager", over);
		expect(receiver("alertmanager").taken).toHaveLength(3);
		const ofFiring = told().filter(({ labels }) => labels["alert_id"] === firing.id);
		expect(ofFiring.map(({ endsAt }) => endsAt)).toEqual(["2026-11-26T10:09:00.000Z", "2026-11-26T10:10:00.000Z", "2026-11-26T10:01:00.000Z"]);
		expect(new Set(ofFiring.map(({ labels, startsAt }) => JSON.stringify([labels, startsAt]))).size).toBe(1);
		expect(ofFiring[0]?.labels).toEqual({ alertname: "budget.stopped", severity: "critical", team: "search", subject: firing.subject, alert_id: firing.id });
	});
});

describe("a webhook", () => {
	test("is signed under one id on every try, with the same body", async () => {
		await send("webhook", firing);
		await send("webhook", firing, true);
		const { taken } = receiver("webhook");
		expect(taken.map(({ headers }) => headers["webhook-id"])).toEqual([firing.id, firing.id]);
		expect(taken[0]?.body).toBe(taken[1]?.body);
		expect(taken[0]?.json).toMatchObject({
			type: "budget.stopped",
			timestamp: "2026-11-26T10:00:00.000Z",
			data: { id: firing.id, status: "firing", ends: [] },
		});
	});

	test("is verified by the old secret and by the new one while both stand", async () => {
		const next = `whsec_${randomBytes(24).toString("base64")}`;
		const nextReceiver = await startWebhookReceiver(next);
		secrets.set("WEBHOOK_SECRET", `${next} ${SECRET}`);
		clock = Date.now;
		const toNext = { kind: "webhook", config: { url: nextReceiver.url, secretEnv: "WEBHOOK_SECRET", allowPrivate: true } };
		const outcomes = [await send("webhook", firing), await sender.send(toNext, firing, { mayHaveArrived: false })];
		secrets.set("WEBHOOK_SECRET", SECRET);
		await nextReceiver.close();
		expect([outcomes.map(({ kind }) => kind), nextReceiver.problems]).toEqual([["delivered", "delivered"], []]);
	});

	test("is checked by the ten lines of docs/alerts.md, and nothing else is", async () => {
		const page = readFileSync(new URL("../../docs/alerts.md", import.meta.url), "utf8");
		const [, lines = ""] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
		const { isFromTollgate } = (await import(`data:text/javascript,${encodeURIComponent(lines)}`)) as {
			isFromTollgate(secret: string, headers: Record<string, unknown>, body: string): boolean;
		};
		await send("webhook", firing);
		const [{ headers, body } = { headers: {}, body: "" }] = receiver("webhook").taken;
		const other = `whsec_${randomBytes(32).toString("base64")}`;
		const old = { ...headers, "webhook-timestamp": String(Math.floor(Date.now() / 1_000) - 400) };
		expect([isFromTollgate(SECRET, headers, body), isFromTollgate(SECRET, headers, `${body} `), isFromTollgate(other, headers, body)]).toEqual([
			true,
			false,
			false,
		]);
		expect(isFromTollgate(SECRET, old, body)).toBe(false);
	});

	test("is not sent unsigned: a secret that is none waits for a better one and is not repeated", async () => {
		for (const wrong of ["whsec_c2hvcnQ=", "plainCanarySecret0000000000", ""]) {
			secrets.set("WEBHOOK_SECRET", wrong);
			const outcome = await send("webhook", firing);
			expect(outcome).toMatchObject({ kind: "failed", isFinal: false, mayHaveArrived: false });
			expect(outcome.said).not.toContain("Canary");
		}
		secrets.set("WEBHOOK_SECRET", SECRET);
		expect(receiver("webhook").taken).toHaveLength(0);
	});
});

test("a receiver that is away cannot have it, and is asked again", async () => {
	const gone = await startWebhookReceiver(SECRET);
	await gone.close();
	const outcome = await sender.send({ kind: "webhook", config: { url: gone.url, secretEnv: "WEBHOOK_SECRET", allowPrivate: true } }, firing, {
		mayHaveArrived: false,
	});
	expect(outcome).toEqual({ kind: "failed", said: "not reachable (ECONNREFUSED)", isFinal: false, mayHaveArrived: false, pauseMs: 0 });
});

test("a row that is no channel any more waits for whoever corrects it", async () => {
	expect(await sender.send({ kind: "slack", config: { urlEnv: "A", urlFile: "/b" } }, firing, { mayHaveArrived: false })).toMatchObject({
		kind: "failed",
		isFinal: false,
		said: "the channel cannot be used: config.urlFile stands beside urlEnv; give exactly one of urlEnv, urlFile",
	});
});
