import { spawnSync } from "node:child_process";
import path from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { Client, Connection } from "@temporalio/client";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BOOKS_IN_ORDER, type System, startSystem, systemEnvironment, tollgate, verify } from "#test/support/system.ts";

let system: System;

beforeAll(async () => {
	system = await startSystem();
}, 300_000);

afterAll(async () => {
	await system.close();
});

const openai = () => new OpenAI({ baseURL: `${system.endpoints().gateway}/v1`, apiKey: system.endpoints().demoKey, maxRetries: 0 });
const anthropic = () => new Anthropic({ baseURL: system.endpoints().gateway, apiKey: system.endpoints().demoKey, maxRetries: 0 });

describe("both official clients against one gateway", () => {
	it("openai: chat, streamed chat, responses, embeddings, models", async () => {
		const chat = await openai().chat.completions.create({ model: "gpt-4o-mini", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		expect(chat.choices[0]?.message.content).toContain("simulated");
		expect(chat.usage?.completion_tokens).toBeGreaterThan(0);

		let text = "";
		let usageChunks = 0;
		for await (const chunk of await openai().chat.completions.create({
			model: "gpt-4o-mini",
			max_tokens: 20,
			stream: true,
			messages: [{ role: "user", content: "hello again" }],
		})) {
			text += chunk.choices[0]?.delta.content ?? "";
			if (chunk.usage) usageChunks++;
		}
		expect(text).toContain("simulated");
		expect(usageChunks).toBe(0); // not asked for, so not received

		const response = await openai().responses.create({ model: "gpt-4o-mini", max_output_tokens: 20, input: "hello" });
		expect(response.output_text).toContain("simulated");
		const embedding = await openai().embeddings.create({ model: "text-embedding-3-small", input: "hello" });
		expect(embedding.data[0]?.embedding.length).toBeGreaterThan(100);
		const models = await openai().models.list();
		expect(models.data.map((model) => model.id)).toContain("gpt-4o");
	});

	it("anthropic: messages, streamed messages, count_tokens", async () => {
		const message = await anthropic().messages.create({ model: "claude-haiku-4-5", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		expect(message.content[0]?.type === "text" && message.content[0].text).toContain("simulated");
		const stream = anthropic().messages.stream({ model: "claude-haiku-4-5", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		expect((await stream.finalMessage()).usage.output_tokens).toBeGreaterThan(0);
		const count = await anthropic().messages.countTokens({ model: "claude-haiku-4-5", messages: [{ role: "user", content: "hello" }] });
		expect(count.input_tokens).toBeGreaterThan(0);
	});
});

describe("the curl that npm start prints", () => {
	const paste = (prompt: string) =>
		fetch(`${system.endpoints().gateway}/v1/chat/completions`, {
			method: "POST",
			headers: { authorization: `Bearer ${system.endpoints().demoKey}`, "content-type": "application/json" },
			body: JSON.stringify({ model: "gpt-4o", max_tokens: 1000, messages: [{ role: "user", content: prompt }] }),
		});

	it("is printed, costs about one cent, and ends in a 402 that explains itself after some 25 pastes", async () => {
		expect(system.output()).toContain("curl");
		expect(system.output()).toContain("gpt-4o");
		let served = 0;
		let refusal: Response | undefined;
		while (!refusal && served < 40) {
			const answer = await paste("Write a short story about a toll gate.");
			if (answer.status === 200) {
				served++;
				const costNanoUsd = Number(answer.headers.get("x-tollgate-cost-nano-usd"));
				expect(costNanoUsd).toBeGreaterThan(9_000_000);
				expect(costNanoUsd).toBeLessThan(11_500_000);
				expect(answer.headers.get("x-tollgate-request-id")).toBeTruthy();
				await answer.arrayBuffer();
			} else refusal = answer;
		}
		expect(served).toBeGreaterThanOrEqual(22);
		expect(served).toBeLessThanOrEqual(25);
		if (refusal === undefined) throw new Error(`no refusal after ${served} calls`);
		expect(refusal.status).toBe(402);
		expect(refusal.headers.get("x-should-retry")).toBe("false");
		const { error } = (await refusal.json()) as { error: Record<string, string> };
		expect(error).toMatchObject({ type: "budget_exceeded", code: "budget.exceeded", budget: "team demo, per day", limitNanoUsd: "250000000" });
		expect(BigInt(error["leftNanoUsd"] ?? "-1")).toBeLessThan(11_000_000n);
		expect(Date.parse(error["resetsAt"] ?? "")).toBeGreaterThan(Date.now());
		expect(error["howToAsk"]).toContain("npx tollgate budget increase request --team demo --window day --amount USD");
	}, 120_000);

	it("leaves books that verify against the provider's own log", async () => {
		expect(await verify(system)).toMatchObject(BOOKS_IN_ORDER);
	}, 60_000);

	it("serves again after an operator raised the limit, at the next call", async () => {
		const raised = await tollgate(system, ["budget", "set", "--team", "demo", "--limit", "0.50", "--window", "day"]);
		expect(raised.exitCode, raised.stderr).toBe(0);
		expect((await paste("one more")).status).toBe(200);
	}, 60_000);

	it("shows the team's workflow, readable, in Temporal", async () => {
		const connection = await Connection.connect({ address: system.endpoints().temporalAddress });
		try {
			const handle = new Client({ connection }).workflow.getHandle("team-budget/demo");
			await expect
				.poll(async () => JSON.stringify(await connection.withDeadline(Date.now() + 5_000, () => handle.query("__temporal_workflow_metadata"))), {
					timeout: 30_000,
					interval: 500,
				})
				.toMatch(/0\.50/);
		} finally {
			await connection.close();
		}
	}, 60_000);
});

async function spentNanoUsd(): Promise<bigint> {
	const shown = await tollgate(system, ["spend", "--by", "team", "--json"]);
	expect(shown.exitCode, shown.stderr).toBe(0);
	const { rows } = JSON.parse(shown.stdout) as { rows: { groups: { team: string }; costNanoUsd: string }[] };
	return BigInt(rows.find(({ groups }) => groups.team === "demo")?.costNanoUsd ?? "-1");
}

describe("starting and stopping", () => {
	it("turns a second start on a live home away, printing the addresses", async () => {
		const second = spawnSync(process.execPath, [path.join(import.meta.dirname, "../../scripts/start.ts")], {
			env: systemEnvironment(system.home),
			encoding: "utf8",
		});
		expect(second.status).toBe(3);
		expect(second.stdout + second.stderr).toContain(system.endpoints().gateway);
	}, 60_000);

	it("stops everything it started, and starts again with the money spent and the same key", async () => {
		expect(await verify(system)).toMatchObject({ ok: true }); // flushes
		const spentBefore = await spentNanoUsd();
		const before = system.endpoints();
		const pids = [before.pids.gateway, before.pids.worker, before.pids.temporal, before.pids.postgres, before.pids.provider];
		expect(await system.stop()).toBe(0);
		for (const pid of pids) expect(() => process.kill(pid ?? 0, 0)).toThrow();
		await system.restart();
		expect(system.endpoints().demoKey).toBe(before.demoKey);
		expect(spentBefore).toBeGreaterThan(220_000_000n);
		expect(await spentNanoUsd()).toBe(spentBefore);
		expect(await verify(system)).toMatchObject({ ok: true, unresolved: 0 });
	}, 120_000);
});
