import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";
import { RunRows } from "#test/support/governed-run-rows.ts";

/** `npx tollgate run` over the administration API and PostgreSQL, with no Temporal at all. */
let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
let rows: RunRows;
const { output, errors, run, runJson } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	rows = await RunRows.over(administration.databaseUrl);
	administration.governor.isAway = true;
});

afterAll(async () => {
	await rows?.close();
	await close?.();
});

const because = (line: string): string[] => [...line.split(" "), "--reason", "it is fine"];

test("a run that a loop paused is listed, shown and resumed; the history says who and why", async () => {
	await rows.run("loop-1", { limits: { costNanoUsd: { hard: { at: "5000000000", action: "pause" } } } });
	await rows.step("loop-1", "120000000");
	await rows.hold("loop-1");
	expect(await run("run list --state paused")).toBe(0);
	expect(output.join("\n")).toMatch(/^RUN +TEAM +STATE +COST +STEPS +OPENED +WHY\nloop-1 +search +paused +0\.12 USD +1 +\S+ +loop\.repetition$/);
	expect(await run("run show loop-1")).toBe(0);
	expect(output.join("\n")).toMatch(
		/^loop-1 of team search: paused by loop\.repetition\n {2}why {6}the call `search\(\{"q":"x"\}\)` and its result repeated 9 times in 9 steps/,
	);
	expect(output.join("\n")).toMatch(/costNanoUsd {2}loop-1 {2}5\.00 USD {2}0\.12 USD {2}2 %/);
	expect(await run(because("run resume loop-1 --known-version 1"))).toBe(1);
	expect(errors.join()).toMatch(/knownVersion.*is 2.*\(admin\.conflict\)/);
	expect(await run(because("run resume loop-1 --known-version 2"))).toBe(0);
	expect(output).toEqual(["loop-1 goes on."]);
	const shown = await runJson("run show loop-1");
	expect(shown).toMatchObject({ state: "running", hold: null, version: "3", forgiven: 1 });
	expect(shown.events.at(-1)).toMatchObject({ kind: "resumed", detail: { by: "ada", reason: "it is fine" } });
});

test("a ceiling holds until it is raised: by approving more, or by raising the run above that states it", async () => {
	await rows.run("root-2", { limits: { steps: { hard: { at: 5, action: "pause" } } } });
	await rows.run("child-2", { parent: "root-2", limits: { costNanoUsd: { hard: { at: "1000", action: "pause" } } } });
	await rows.hold("child-2", { guard: "ceiling.costNanoUsd", measured: "990", threshold: "1000" });
	expect(await run(because("run resume child-2"))).toBe(1);
	expect(errors.join()).toMatch(/limits\.costNanoUsd\.hard\.at.*raise it above 0\.000001 USD.*\(admin\.conflict\)/);
	expect(await run(because("run resume child-2 --approve-usd 0.5"))).toBe(0);
	expect((await runJson("run show child-2")).ceilings[0]).toMatchObject({ kind: "costNanoUsd", at: "500000000" });
	await rows.hold("child-2", { guard: "ceiling.steps", ofRunId: "root-2", measured: "5", threshold: "5" });
	expect(await run(because("run raise child-2 --steps 9"))).toBe(1);
	expect(errors.join()).toMatch(/root-2 above it does.*\(run\.invalid\)/);
	expect(await run(because("run raise root-2 --steps 9"))).toBe(0);
	expect(output).toEqual(["root-2 may take more; it is running."]);
	expect((await runJson("run list --team search"))[0]).toMatchObject({ runId: "child-2", state: "running" });
});

test("a stop refuses, may be taken back, and an end may not", async () => {
	await rows.run("run-3");
	expect(await run(because("run stop run-3"))).toBe(0);
	expect(output).toEqual(["run-3 is stopped: its calls are refused until: npx tollgate run resume run-3 --reason WHY"]);
	await run("run show run-3");
	expect(output.join("\n")).toMatch(/^run-3 of team search: stopped by person\n {2}why {6}it is fine/);
	expect(await run(because("run resume run-3"))).toBe(0);
	expect(await run(because("run finish run-3"))).toBe(0);
	expect(output).toEqual(["run-3 has ended, after 0 steps."]);
	expect(await run(because("run resume run-3"))).toBe(1);
	expect(errors.join()).toMatch(/has ended.*\(run\.finished\)/);
});

describe("what is wrong is said with its option, and nothing happens", () => {
	test.each([
		["run show nobody", 1, /There is no run "nobody".*\(run\.unknown\)/],
		["run list --team nobody", 1, /nobody.*\(admin\.not_found\)/],
		["run list --state flying", 2, /running, paused, stopped, finished/],
		["run stop loop-1", 2, /--reason/],
		["run raise loop-1 --reason r", 2, /name what is raised: --usd, --steps/],
		["run raise loop-1 --usd 0 --reason r", 2, /an amount in dollars/],
		["run raise loop-1 --steps none --reason r", 2, /whole number/],
	])("%s", async (line, code, said) => {
		expect(await run(line)).toBe(code);
		expect(errors.join("\n")).toMatch(said);
	});

	test("limits of the API name every field", async () => {
		const answer = await administration.app.inject({
			method: "POST",
			url: "/admin/v1/runs/loop-1/raise",
			headers: { authorization: `Bearer ${administration.adminKey}` },
			payload: { reason: "r", limits: { moons: 1, steps: -1 } },
		});
		expect([answer.statusCode, answer.json().error.code]).toEqual([422, "run.invalid"]);
		expect(answer.json().error.message).toMatch(/limits\.moons.*limits\.steps/);
	});
});
