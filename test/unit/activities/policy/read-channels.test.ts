import { describe, expect, test } from "vitest";
import { TEST_HOME } from "#test/support/kept-places.ts";
import { mistakesOf } from "#test/support/policy-file-mistakes.ts";

describe("channels", () => {
	const channel = (text: string): string[] => mistakesOf(`version: 1\nchannels:\n  hook:\n    ${text}`);

	test.each([
		["http://127.0.0.1/x"],
		["http://10.1.2.3"],
		["http://192.168.0.9:9093"],
		["http://169.254.169.254/latest"],
		["http://0x7f.1/"],
		["http://2130706433/"],
		["http://[::1]:80"],
		["http://[fe80::1]/"],
		["http://[::ffff:10.0.0.1]/"],
		["http://localhost:8080"],
	])("%s needs leave", (url) => {
		expect(channel(`{ kind: alertmanager, url: "${url}" }`)).toEqual([
			"4 channels.hook.url: leads to a private, loopback or link-local address; where that is meant, set allowPrivate: true",
		]);
		expect(channel(`{ kind: alertmanager, url: "${url}", allowPrivate: true }`)).toEqual([]);
	});

	test.each([
		["{ kind: webhook, url: https://h.example.com }", "channels.hook.secretEnv: is missing: one of secretEnv, secretFile"],
		["{ kind: webhook, urlEnv: A, urlFile: /b, secretEnv: C }", "channels.hook.urlFile: stands beside urlEnv"],
		["{ kind: slack, url: https://hooks.example.com/T0/CANARY }", "channels.hook.url: is a secret"],
		["{ kind: slack, urlEnv: https://hooks.example.com/CANARY }", "channels.hook.urlEnv: must be the name of an environment variable"],
		["{ kind: slack }", "channels.hook.urlEnv: is missing"],
		["{ kind: pagerduty, routingKey: CANARY }", "channels.hook.routingKey: never stands in a policy"],
		["{ kind: pagerduty }", "channels.hook.routingKeyEnv: is missing"],
		["{ kind: alertmanager, url: ftp://h }", "channels.hook.url: must be an http or https URL"],
		["{ kind: webhook, url: https://user:CANARY@h.example.com, secretEnv: C }", "channels.hook.url: must hold no credentials"],
		["{ kind: alertmanager, url: https://h, secretEnv: C }", "channels.hook.secretEnv: is no field of a alertmanager channel"],
		["{ kind: alertmanager, url: http://h.example.com }", "channels.hook.url: must be https; only a channel with allowPrivate: true may use http"],
		["{ kind: alertmanager, url: 'https:CANARY' }", "channels.hook.url: must be an http or https URL"],
		["{ kind: slak }", "channels.hook.kind: must be one of slack, pagerduty, alertmanager, webhook; did you mean slack?"],
		["{ kind: pagerduty, routingKeyFile: CANARY }", "channels.hook.routingKeyFile: must be the absolute path"],
	])("%s is refused, and no secret is repeated", (text, expected) => {
		const found = channel(text).join("\n");
		expect(found).toContain(expected);
		expect(found).not.toContain("CANARY");
	});

	test("a place that Tollgate keeps for itself is refused with its line", () => {
		const pager = "  pager: { kind: pagerduty, routingKeyEnv: ANTHROPIC_API_KEY }";
		const hook = `  hook:\n    kind: webhook\n    url: https://hooks.example.com\n    secretFile: ${TEST_HOME}/idempotency-key`;
		expect(mistakesOf(`version: 1\nchannels:\n${pager}\n${hook}`)).toEqual([
			"3 channels.pager.routingKeyEnv: the variable ANTHROPIC_API_KEY belongs to Tollgate or to a provider",
			`7 channels.hook.secretFile: the file ${TEST_HOME}/idempotency-key belongs to Tollgate`,
		]);
		expect(channel("{ kind: slack, urlEnv: DATABASE_URL }")).toHaveLength(1);
	});

	test("what is no channel at all is told once", () => {
		expect(channel("CANARY")).toEqual(["4 channels.hook: must be a map of names and values"]);
	});

	test("a route to a channel that is wrong is not complained of as well", () => {
		expect(mistakesOf("version: 1\nchannels: { ops: { kind: slack } }\norganization: { alerts: [{ channel: ops }] }")).toHaveLength(1);
	});
});
