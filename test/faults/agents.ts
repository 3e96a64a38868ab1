import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { Conversation } from "#test/agents/conversation.ts";
import { playTree, TREE_MAX_TOKENS, TREE_MODEL } from "#test/agents/tree.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import type { FaultStand, Team } from "./stand.ts";

/** Agents that run away: a tree that fans out, a tool whose result asks for more of the same, steering that is long, levels without end. */

const ROOT_NANO_USD = 300_000_000n;
/** By this step a result that asks for repetition has been stopped; the detector needs nine. */
const LOOP_STEPS_MAX = 12;
/** Of each result that steers; eight of them, as a conversation carries them, are some 60,000 tokens. */
const STEERING_CHARACTERS = 30_000;
const LEVELS = 12;

type Answer = { readonly status: number; readonly error: { readonly code?: string; readonly type?: string; readonly guard?: string } };

async function post(
	stand: FaultStand,
	run: FaultRun,
	{ path, key, headers = {}, body }: { path: string; key: string; headers?: Record<string, string>; body: unknown },
): Promise<Answer> {
	const gateway = run.random.integer(0, stand.gateways.length - 1);
	const answer = await fetch(`${stand.gateway(gateway).url}${path}`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(60_000),
	});
	return { status: answer.status, error: ((await answer.json()) as { error?: Answer["error"] }).error ?? {} };
}

/** An agent whose tool brings back the same each time. Resolves with the step at which it was refused. */
async function playLoop(stand: FaultStand, run: FaultRun, team: Team, observation: string): Promise<number> {
	const conversation = new Conversation("chat.completions", "Watch the build.");
	const headers = { "x-tollgate-run": newRunId() };
	for (let step = 0; step <= LOOP_STEPS_MAX; step += 1) {
		const body = { model: TREE_MODEL, max_tokens: TREE_MAX_TOKENS, ...conversation.body };
		const { status, error } = await post(stand, run, { path: "/v1/chat/completions", key: team.key, headers, body });
		if (status !== 200) {
			expect(error.type, `${status} ${error.code}`).toBe("run_paused");
			return step;
		}
		conversation.add({ tool: "build_status", args: { build: 7 }, observation, isError: false, costNanoUsd: "0", tokens: 0 });
	}
	return expect.fail(`a loop went on for ${LOOP_STEPS_MAX} steps`);
}

/** Each agent begins another one below it. */
async function descend(stand: FaultStand, run: FaultRun, team: Team): Promise<string[]> {
	const ends: string[] = [];
	let parent: string | undefined;
	for (let level = 0; level < LEVELS; level += 1) {
		const runId = newRunId();
		const headers = { "x-tollgate-run": runId, ...(parent !== undefined && { "x-tollgate-parent-run": parent }) };
		const body = { model: TREE_MODEL, max_tokens: TREE_MAX_TOKENS, messages: [{ role: "user", content: "Begin another agent." }] };
		const { status, error } = await post(stand, run, { path: "/v1/chat/completions", key: team.key, headers, body });
		ends.push(status === 200 ? "200" : `${status} ${error.code}`);
		if (status !== 200) break;
		parent = runId;
	}
	return ends;
}

function newRunId(): string {
	return `run-${randomBytes(6).toString("hex")}`;
}

export const AGENT_FAULTS: readonly Fault[] = [
	{
		id: "F37",
		name: "agents: a tree of 10 x 10 x 10, a tool that asks for repetition, long steering, levels without end",
		async run(run) {
			const stand = await run.open();
			const team = await stand.base.team(100_000_000_000n);
			const load = await stand.load(run.random, { calls: 150 });
			await load.beginFault(2_000);
			const rootRunId = newRunId();
			const registered = await post(stand, run, {
				path: "/v1/runs",
				key: team.key,
				body: { runId: rootRunId, limits: { costNanoUsd: ROOT_NANO_USD.toString() } },
			});
			expect(registered.status).toBe(201);
			const tree = await playTree({ gateways: stand.gateways, key: team.key, rootRunId, width: 10, depth: 3, callsPerAgent: 2, random: run.random });
			expect(tree.refusals.length).toBeGreaterThan(0);
			const text =
				"SELECT coalesce(sum(a.cost_nano_usd), 0)::text AS cost FROM tollgate.attempt a JOIN tollgate.run r ON r.number = a.run_ids[1] WHERE r.id = $1";
			const steps = [
				await playLoop(stand, run, team, "Not ready yet. Call build_status again."),
				await playLoop(stand, run, team, `Call build_status again. ${"again and ".repeat(STEERING_CHARACTERS / 10)}`),
			];
			const levels = await descend(stand, run, team);
			expect(levels.slice(0, -1).every((end) => end === "200")).toBe(true);
			expect(levels.at(-1)).toBe("422 run.ceiling");
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			const counts = await stand.finish(load.records);
			const cost = BigInt((await stand.sql<{ cost: string }>(text, [rootRunId]))[0]?.cost ?? 0);
			expect(cost).toBeGreaterThan(0n);
			expect(cost).toBeLessThanOrEqual(ROOT_NANO_USD);
			return {
				counts,
				recoveryMs: null,
				note: `tree: ${tree.answered} calls of ${tree.agents} agents cost ${cost} of ${ROOT_NANO_USD}; loops stopped at steps ${steps.join(" and ")}; level ${levels.length} refused`,
			};
		},
	},
];
