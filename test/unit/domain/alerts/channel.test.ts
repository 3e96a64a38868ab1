import { describe, expect, test } from "vitest";
import { checkAlertChannel, checkAlertRoutes, placeOf, urlProblem } from "#domain/alerts/channel.ts";

const fields = (input: unknown): string[] => {
	const checked = checkAlertChannel(input, "c");
	return checked.kind === "valid" ? [] : checked.problems.map(({ field }) => field);
};
const problems = (input: unknown): string[] => {
	const checked = checkAlertChannel(input, "c");
	return checked.kind === "valid" ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
};

describe("a channel", () => {
	test.each([
		{ kind: "slack", urlEnv: "SLACK_URL" },
		{ kind: "pagerduty", routingKeyFile: "/run/secrets/key" },
		{ kind: "pagerduty", routingKeyEnv: "KEY", url: "https://events.eu.pagerduty.com/v2/enqueue" },
		{ kind: "alertmanager", url: "http://alertmanager:9093", allowPrivate: true },
		{ kind: "webhook", url: "https://hooks.example/tollgate", secretEnv: "SECRET" },
	])("of kind $kind is taken as it is, with allowPrivate false where it is left out", (channel) => {
		expect(checkAlertChannel(channel, "c")).toEqual({ kind: "valid", value: { allowPrivate: false, ...channel } });
	});

	test("of an unknown kind, or without one, says which there are", () => {
		expect(problems({ kind: "email", urlEnv: "X" })).toEqual(["c.kind must be one of slack, pagerduty, alertmanager, webhook"]);
		expect(fields({})).toEqual(["c.kind"]);
		expect(fields("slack")).toEqual(["c"]);
	});

	test("names every mistake at once", () => {
		const wrong = { kind: "webhook", url: "ftp://x", urlEnv: "URL", secretEnv: "not a name", allowPrivate: "yes", channel: "#x" };
		expect(fields(wrong)).toEqual(["c.urlEnv", "c.allowPrivate", "c.secretEnv", "c.channel", "c.url"]);
	});

	test("both urlEnv and url, or none of them, is a mistake of that field", () => {
		expect(problems({ kind: "alertmanager", url: "https://a.example", urlEnv: "A" })[0]).toBe(
			"c.urlEnv stands beside url; give exactly one of url, urlEnv, urlFile",
		);
		expect(problems({ kind: "alertmanager" })).toEqual(["c.url is missing; give one of url, urlEnv, urlFile"]);
		expect(problems({ kind: "pagerduty" })).toEqual(["c.routingKeyEnv is missing; give one of routingKeyEnv, routingKeyFile"]);
	});

	test("never holds a secret: Slack's URL, a routing key and a signing secret are named, not given", () => {
		expect(problems({ kind: "slack", url: "https://hooks.slack.com/services/T/B/x", urlEnv: "A" })).toEqual([
			"c.url is a secret of Slack's: name its variable or file with urlEnv or urlFile",
		]);
		expect(fields({ kind: "pagerduty", routingKey: "x", routingKeyEnv: "K" })).toEqual(["c.routingKey"]);
		expect(fields({ kind: "webhook", secret: "whsec_x", secretEnv: "K", url: "https://a.example" })).toEqual(["c.secret"]);
	});

	test("has only the fields of its kind", () => {
		expect(fields({ kind: "slack", urlEnv: "U", routingKeyEnv: "K", secretFile: "/f" })).toEqual(["c.routingKeyEnv", "c.secretFile"]);
	});

	test("names variables and absolute paths", () => {
		expect(fields({ kind: "slack", urlEnv: "1X" })).toEqual(["c.urlEnv"]);
		expect(fields({ kind: "slack", urlFile: "secrets/slack" })).toEqual(["c.urlFile"]);
	});
});

test.each([
	["https://a.example/x?y=1", false, undefined],
	["http://10.0.0.1:9093/", true, undefined],
	["https://[2001:db8::1]/", false, undefined],
	["http://a.example", false, "must be https; only a channel with allowPrivate may use http"],
	["https://user:pw@a.example", false, "must hold no user name or password"],
	["https://localhost:1/", false, "is on this machine; only a channel with allowPrivate may deliver there"],
	["https://", false, "must be an http or https URL"],
	["javascript:alert(1)", false, "must be an http or https URL"],
	["https://a.example/a b", false, "must be an http or https URL"],
	["https://a.example\n.evil", false, "must be an http or https URL"],
])("the address %j with allowPrivate %s", (url, allowPrivate, problem) => {
	expect(urlProblem(url, { allowPrivate })).toBe(problem);
});

test("a secret's place is its variable or its file", () => {
	const channel = { kind: "webhook", urlEnv: "URL", secretFile: "/f", allowPrivate: false } as const;
	expect([placeOf(channel, "url"), placeOf(channel, "secret"), placeOf(channel, "routingKey")]).toEqual([
		{ environmentVariable: "URL" },
		{ file: "/f" },
		undefined,
	]);
});

describe("routes", () => {
	const known = new Set(["pager", "chat"]);

	test("name a channel that exists and kinds that exist; no kinds are all", () => {
		expect(checkAlertRoutes([{ channel: "chat" }, { channel: "pager", kinds: ["budget.stopped", "budget.stopped"] }], known, "r")).toEqual({
			kind: "valid",
			value: [
				{ channel: "chat", kinds: [] },
				{ channel: "pager", kinds: ["budget.stopped"] },
			],
		});
	});

	test("every mistake names its field", () => {
		const checked = checkAlertRoutes([{ channel: "pagr", kinds: ["budget.stoped"] }, { channel: "chat" }, { channel: "chat", kind: "x" }, {}], known, "r");
		expect(checked.kind === "invalid" && checked.problems.map(({ field, problem }) => `${field} ${problem}`)).toEqual([
			'r[0].channel there is no channel "pagr"; there are chat, pager',
			expect.stringContaining("r[0].kinds[0] must be one of budget.threshold"),
			"r[2].kind is no field of a route",
			"r[2].channel is named by an earlier route; give that one all the kinds",
			"r[3].channel must name a channel",
		]);
	});
});
