import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { policyJsonSchema, policySchema } from "#config/policy-schema.ts";

const page = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");
const example = /```yaml\n(# policy\.yaml[\s\S]*?)```/.exec(page)?.[1] ?? "";

describe("the schema for editors", () => {
	test("accepts the example of docs/policy.md", () => {
		expect(example).toContain("version: 1");
		expect(policySchema.safeParse(parse(example)).error?.issues ?? []).toEqual([]);
	});

	test.each([
		["limitUsd: 25 ", "limitUsd: -1 "],
		["limitUsd: 25 ", 'limitUsd: "25 USD" '],
		["tokens: 20000000", "tokens: 1.5"],
		["window: day", "window: dya"],
		["mode: observe", "mode: observed"],
		["at: 80%", "at: 80"],
		["action: notify", "action: page"],
		["weekStart: monday", "weekStart: 1"],
		["urlEnv: SLACK_WEBHOOK_URL", "urlEnv: https://hooks.example.com"],
		["features: [answers, ranking]", "feature: answers"],
		["version: 1", "version: 2"],
		["key_0123456789abcdef", "tg-secret"],
	])("marks %s as %s", (right, wrong) => {
		expect(example).toContain(right);
		expect(policySchema.safeParse(parse(example.replace(right, wrong))).success).toBe(false);
	});

	test("is JSON Schema 2020-12 that says what most fields are", () => {
		const schema = policyJsonSchema() as { readonly properties: Record<string, { readonly properties: Record<string, { readonly description?: string }> }> };
		expect(schema).toMatchObject({
			$schema: "https://json-schema.org/draft/2020-12/schema",
			type: "object",
			required: ["version"],
			additionalProperties: false,
		});
		const fields = Object.entries(schema.properties["organization"]?.properties ?? {});
		expect(fields.filter(([, { description }]) => description === undefined)).toEqual([]);
	});
});
