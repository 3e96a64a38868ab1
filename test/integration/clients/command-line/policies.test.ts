import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "#clients/command-line/run.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

let home: string;
let close: () => Promise<void>;
const { output, errors, run, runJson } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ home, close } = await openCommandLineHome());
	await run("team create search --limit 100 --window day");
});
afterAll(() => close());
beforeEach(() => {
	output.length = 0;
	errors.length = 0;
});

describe("policy files", () => {
	const SEARCH = "version: 1\nteams:\n  declared:\n    budgets:\n      - { window: month, limitUsd: 100 }\n";

	const write = async (text: string): Promise<string> => {
		const file = path.join(home, "policy.yaml");
		await writeFile(file, text);
		return file;
	};

	test("diff says what would change and exits 1, apply does it, diff again exits 0", async () => {
		const file = await write(SEARCH);
		expect(await run(["diff", file])).toBe(1);
		expect(output.join("\n")).toContain("team declared");
		expect(errors).toEqual([]);
		expect(await run(["apply", file])).toBe(2);
		expect(errors).toEqual(["tollgate: nothing was applied: where nobody can be asked, say --yes"]);
		expect(await run(["apply", file, "--yes"])).toBe(0);
		expect(output.at(-1)).toMatch(/^In force as revision \d+\./);
		expect(await run(["diff", file])).toBe(0);
		expect(output).toEqual(["No changes."]);
		expect(await run(["apply", file])).toBe(0);
		expect(output.at(-1)).toMatch(/^Revision \d+ holds\.$/);
	});

	test("a person is asked, and no is no", async () => {
		const file = await write(SEARCH.replace("100", "150"));
		const answer = (text: string) =>
			runCommandLine(["apply", file], {
				writeLine: () => undefined,
				writeError: (line) => errors.push(line),
				environment: { TOLLGATE_HOME: home },
				ask: async () => text,
			});
		expect(await answer("")).toBe(1);
		expect(errors).toEqual(["tollgate: nothing was applied"]);
		expect(await answer("y")).toBe(0);
	});

	test("an older basis is refused and shows the new diff", async () => {
		const file = await write(SEARCH.replace("100", "170"));
		expect(await run(["diff", file, "--json"])).toBe(1);
		const { basis } = JSON.parse(output[0] ?? "");
		expect(await run("budget set --team declared --limit 1 --window day")).toBe(0);
		expect(await run(["apply", file, "--yes", "--basis", basis])).toBe(1);
		expect(errors[0]).toMatch(/\(admin\.conflict\)\nteam declared\n[\s\S]*150[\s\S]*170[\s\S]*--basis \d+$/);
		expect(await runJson(["apply", file, "--yes"])).toMatchObject({ isChanged: true });
	});

	test("every mistake has its line; diff exits 2 and apply 1", async () => {
		const file = await write(SEARCH.replace("month", "fortnight").replace("100", "-1"));
		expect(await run(["diff", file])).toBe(2);
		expect(errors[0]?.split("\n").slice(1)).toEqual([
			expect.stringMatching(/policy\.yaml:5:\d+ teams\.declared\.budgets\[0\]\.window: /),
			expect.stringMatching(/policy\.yaml:5:\d+ teams\.declared\.budgets\[0\]\.limitUsd: /),
		]);
		expect(await run(["apply", file, "--yes"])).toBe(1);
		expect(await run(["diff", path.join(home, "absent.yaml")])).toBe(2);
	});

	test("show is a file that apply takes, history says who and when, show REVISION what held", async () => {
		expect(await run("policy show")).toBe(0);
		const file = await write(`${output.join("\n")}\n`);
		expect(await run(["diff", file, "--prune"])).toBe(0);
		const [newest, before] = await runJson("policy history");
		expect(newest).toMatchObject({ adminName: "ada", parent: before.revision });
		expect(await run("policy history")).toBe(0);
		expect(output[0]).toContain(newest.revision);
		const stored = await runJson(`policy show ${before.revision}`);
		expect(stored.source).toBe(SEARCH.replace("100", "150"));
		expect(stored.policy.teams.declared.budgets).toHaveLength(1);
		expect(await run("policy show 999999")).toBe(1);
		expect(errors[0]).toContain("(admin.not_found)");
	});

	test("pruned: what the file leaves out is archived", async () => {
		expect(await run("team create leaving --limit 1 --window day")).toBe(0);
		expect(await run("policy show")).toBe(0);
		const text = output.join("\n");
		const file = await write(`${text.replace(/^ {2}leaving:\n(?: {4,}.*\n)*/m, "")}\n`);
		expect(await run(["diff", file])).toBe(0);
		expect(await run(["apply", file, "--prune", "--yes"])).toBe(0);
		expect(output[0]).toContain("- team leaving");
		expect(await run("team show leaving")).toBe(1);
	});

	test("a key made to resubmit its batches, or to send what they leave undone in real time, stands so in the policy, which takes it back", async () => {
		const { id } = await runJson("key create --team search --resubmit-batches");
		const [plain, listed] = [(await runJson("key create --team search")).id, await runJson("key list --team search")];
		const ruleOf = (keyId: string) => listed.find((key: { readonly id: string }) => key.id === keyId)?.resubmitsBatches;
		expect([ruleOf(id), ruleOf(plain)]).toEqual([true, false]);
		output.length = 0;
		expect(await run("policy show")).toBe(0);
		expect(output.join("\n").match(/resubmit: true/g)).toHaveLength(1);
		const ruled = (rule: string) => write(`version: 1\nteams:\n  search:\n    keys:\n      ${id}:\n        batches: ${rule}\n`);
		output.length = 0;
		const file = await ruled("{ resubmit: false }");
		expect(await run(["diff", file])).toBe(1);
		expect(output.join("\n")).toContain("unfinished items of batches resubmitted");
		expect(await run(["apply", file, "--yes"])).toBe(0);
		output.length = 0;
		expect(await run("policy show")).toBe(0);
		expect(output.join("\n")).not.toContain("resubmit: true");
		const relaned = await runJson("key create --team search --relane-batches");
		const keys = await runJson("key list --team search");
		expect(keys.find((key: { readonly id: string }) => key.id === relaned.id)).toMatchObject({ resubmitsBatches: false, relanesBatches: true });
		expect(await run(["apply", await ruled("{ resubmit: true, relane: true }"), "--yes"])).toBe(0);
		output.length = 0;
		expect(await run("policy show")).toBe(0);
		expect(output.join("\n").match(/relane: true/g)).toHaveLength(2);
		expect(await run(["apply", await ruled("{ resubmit: false, relane: false }"), "--yes"])).toBe(0);
		output.length = 0;
		expect(await run("policy show")).toBe(0);
		expect(output.join("\n").match(/relane: true/g)).toHaveLength(1);
	});
});

describe("import", () => {
	test("a LiteLLM configuration becomes a policy file, and what is not in it is said on stderr", async () => {
		const file = path.join(home, "config.yaml");
		await writeFile(
			file,
			"model_list:\n  - model_name: quick\n    litellm_params: { model: openai/gpt-test, api_key: os.environ/OPENAI_API_KEY }\nrouter_settings: { routing_strategy: latency-based-routing }\n",
		);
		expect(await run(["import", "litellm", file])).toBe(0);
		expect(output.join("\n")).toMatch(/^# .*\n[\s\S]*models:\n {2}quick:/);
		expect(errors.some((line) => line.startsWith(`${file}:4 `))).toBe(true);
		await writeFile(file, "[]");
		expect(await run(["import", "litellm", file])).toBe(1);
		expect(errors[0]).toContain("(admin.invalid)");
	});
});
