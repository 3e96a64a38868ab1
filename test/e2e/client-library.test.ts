import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CostControl } from "#clients/index.ts";
import { type System, startSystem } from "#test/support/system.ts";

let system: System;

beforeAll(async () => {
	system = await startSystem();
}, 300_000);

afterAll(() => system.close());

const ask = (openai: OpenAI) => openai.chat.completions.create({ model: "gpt-4o-mini", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });

describe("CostControl", () => {
	it("through HTTP: gives the official client its options and administers", async () => {
		const { admin, adminKeyFile, demoKey, gateway } = system.endpoints();
		const costControl = new CostControl({ baseUrl: gateway, key: demoKey, adminUrl: admin, adminKey: readFileSync(adminKeyFile, "utf8").trim() });
		expect((await ask(new OpenAI({ ...costControl.openai(), maxRetries: 0 }))).choices[0]?.message.content).toContain("simulated");
		const child = costControl.deriveKey({ user: "ann", ttlMs: 60_000 });
		await ask(new OpenAI({ baseURL: `${gateway}/v1`, apiKey: child, maxRetries: 0 }));
		const budgets = await costControl.administration.budgets.list("demo");
		expect(JSON.stringify(budgets)).toContain("250000000");
	});

	it("straight to Temporal: status, freeze and unfreeze of a team, in force for the next calls", async () => {
		const { demoKey, gateway, temporalAddress } = system.endpoints();
		const openai = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: demoKey, maxRetries: 0 });
		const costControl = new CostControl({ temporal: { address: temporalAddress } });
		try {
			const governance = await costControl.governance();
			expect(JSON.stringify(await governance.status("demo"))).toContain("250000000");
			await governance.freeze("demo", { requestedBy: "test", reason: "an end-to-end test" });
			await expect
				.poll(
					() =>
						ask(openai).then(
							() => "served",
							(error: { code?: string }) => error.code,
						),
					{ timeout: 20_000 },
				)
				.toBe("budget.frozen");
			await governance.unfreeze("demo", { requestedBy: "test" });
			await expect
				.poll(
					() =>
						ask(openai).then(
							() => "served",
							(error: { code?: string }) => error.code,
						),
					{ timeout: 20_000 },
				)
				.toBe("served");
		} finally {
			await costControl.close();
		}
	}, 60_000);
});
