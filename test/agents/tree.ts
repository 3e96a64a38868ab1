import type { Random } from "#test/faults/random.ts";
import type { GatewayProcess } from "#test/support/gateway-process.ts";

/** A tree of agents that all call at once through any gateway, each as a run of its own below its parent's. */
export type TreeOptions = {
	readonly gateways: readonly GatewayProcess[];
	readonly key: string;
	readonly rootRunId: string;
	/** Children of each agent, and levels below the root. */
	readonly width: number;
	readonly depth: number;
	/** Calls that every agent would make. */
	readonly callsPerAgent: number;
	readonly random: Random;
};

export type TreeRefusal = { readonly runId: string; readonly guard: string; readonly ofRun: string };

export type TreePlayed = {
	readonly agents: number;
	readonly answered: number;
	/** The first one of each agent that was refused; it does not call again. */
	readonly refusals: readonly TreeRefusal[];
};

export const TREE_MODEL = "gpt-4o";
export const TREE_MAX_TOKENS = 60;
const CALLS_AT_ONCE = 64;
const CALL_TIMEOUT_MS = 60_000;

type TreeAgent = { readonly runId: string; readonly parentRunId: string | null; readonly level: number; callsLeft: number; hasCalled: boolean };

/** Who calls next is drawn; a child begins after its parent's first answer. @throws where an answer is neither an answer nor a refusal of a run. */
export async function playTree(options: TreeOptions): Promise<TreePlayed> {
	const { random, width, depth, callsPerAgent } = options;
	const ready: TreeAgent[] = [{ runId: options.rootRunId, parentRunId: null, level: 0, callsLeft: callsPerAgent, hasCalled: false }];
	const played = { agents: 0, answered: 0, refusals: [] as TreeRefusal[] };
	let [calling, wake] = [0, (): void => undefined];

	const turn = async (agent: TreeAgent): Promise<void> => {
		const refusal = await callAs(agent, options);
		if (!agent.hasCalled) {
			agent.hasCalled = true;
			played.agents += 1;
			// Below a run that is held nothing is opened.
			if (refusal === undefined && agent.level < depth) for (let child = 1; child <= width; child += 1) ready.push(childOf(agent, child, callsPerAgent));
		}
		if (refusal !== undefined) played.refusals.push(refusal);
		else {
			played.answered += 1;
			agent.callsLeft -= 1;
			if (agent.callsLeft > 0) ready.push(agent);
		}
	};
	const worker = async (): Promise<void> => {
		while (ready.length > 0 || calling > 0) {
			const agent = ready.splice(random.integer(0, Math.max(0, ready.length - 1)), 1)[0];
			if (agent === undefined) {
				await new Promise<void>((resolve) => {
					const before = wake;
					wake = () => {
						before();
						resolve();
					};
				});
				continue;
			}
			calling += 1;
			try {
				await turn(agent);
			} finally {
				calling -= 1;
				const woken = wake;
				wake = (): void => undefined;
				woken();
			}
		}
	};
	await Promise.all(Array.from({ length: CALLS_AT_ONCE }, worker));
	return played;
}

function childOf(parent: TreeAgent, number: number, callsPerAgent: number): TreeAgent {
	return { runId: `${parent.runId}.${number}`, parentRunId: parent.runId, level: parent.level + 1, callsLeft: callsPerAgent, hasCalled: false };
}

async function callAs(agent: TreeAgent, { gateways, key, random }: TreeOptions): Promise<TreeRefusal | undefined> {
	const content = `step [[simulate:${JSON.stringify({ outputTokens: random.integer(1, TREE_MAX_TOKENS) })}]]`;
	const answer = await fetch(`${random.pick(gateways).url}/v1/chat/completions`, {
		method: "POST",
		headers: {
			authorization: `Bearer ${key}`,
			"content-type": "application/json",
			"x-tollgate-run": agent.runId,
			...(agent.parentRunId !== null && { "x-tollgate-parent-run": agent.parentRunId }),
		},
		body: JSON.stringify({ model: TREE_MODEL, max_tokens: TREE_MAX_TOKENS, messages: [{ role: "user", content }] }),
		signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
	});
	const body = (await answer.json()) as { error?: { type?: string; guard?: string; ofRun?: string; message?: string } };
	if (answer.ok) return undefined;
	const { error } = body;
	if (answer.status !== 402 || error?.type !== "run_paused") throw new Error(`${agent.runId}: ${answer.status} ${JSON.stringify(body)}`);
	return { runId: agent.runId, guard: error.guard ?? "", ofRun: error.ofRun ?? "" };
}
