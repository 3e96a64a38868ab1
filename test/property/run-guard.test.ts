import { describe, expect, test } from "vitest";
import type { ConversationEndpoint } from "#test/agents/conversation.ts";
import type { CorpusRun } from "#test/agents/corpus-run.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { generateHeldOut } from "#test/agents/held-out.ts";
import { judgeRuns, type RunEnd, renderJudgement } from "#test/agents/judge-runs.ts";
import { replay } from "#test/agents/replay.ts";
import { createRandom } from "#test/faults/random.ts";
import { GuardStand, playRun, type StandGateway } from "#test/support/guard-stand.ts";

const CORPUS = generateCorpus({ seed: 9_001, variants: 10 });
const HELD_OUT = generateHeldOut({ seed: 21, variants: 6 });

type Fleet = {
	readonly isKept?: boolean;
	readonly endpoint: ConversationEndpoint;
	readonly gateways: number;
	readonly pick: (stand: GuardStand, runId: string) => (step: number) => StandGateway;
};

async function endsOf(runs: readonly CorpusRun[], { endpoint, gateways, pick, isKept = false }: Fleet): Promise<Map<CorpusRun, RunEnd>> {
	const ends = new Map<CorpusRun, RunEnd>();
	const stand = new GuardStand(gateways);
	stand.policy = { ...stand.policy, newRunsPerHour: 1_000_000, limits: [] };
	for (const run of runs) ends.set(run, await playRun(stand, run, { endpoint, gatewayOf: pick(stand, run.runId), isKept }));
	expect(stand.gateways.flatMap(({ errors }) => errors)).toEqual([]);
	return ends;
}

const ofOne: Fleet["pick"] = (stand) => () => stand.first;
const inTurn: Fleet["pick"] = (stand) => (step) => stand.gateways[step % stand.gateways.length]!;
const atRandom: Fleet["pick"] = (stand, runId) => {
	const random = createRandom([...runId].reduce((sum, sign) => sum * 31 + sign.charCodeAt(0), 7) % 2 ** 31);
	return () => random.pick(stand.gateways);
};

describe.each<ConversationEndpoint>(["chat.completions", "messages", "responses"])("runs of the corpus over %s", (endpoint) => {
	test("end on one gateway as the detector says", async () => {
		const runs = [...CORPUS, ...HELD_OUT];
		const ends = await endsOf(runs, { endpoint, gateways: 1, pick: ofOne });
		const judged = judgeRuns(runs, (run) => ends.get(run));
		expect([judged.missed, judged.late, judged.falseStops], renderJudgement(judged)).toEqual([0, 0, 0]);
	});

	test("end on four gateways in turn, none missed and nothing else stopped", async () => {
		const ends = await endsOf(CORPUS, { endpoint, gateways: 4, pick: inTurn });
		const judged = judgeRuns(CORPUS, (run) => ends.get(run));
		expect([judged.missed, judged.late, judged.falseStops], renderJudgement(judged)).toEqual([0, 0, 0]);
	});
});

test("four gateways at random stop a run when the detector does, or one step later", async () => {
	const ends = await endsOf(CORPUS, { endpoint: "messages", gateways: 4, pick: atRandom });
	const judged = judgeRuns(CORPUS, (run) => ends.get(run));
	expect([judged.missed, judged.falseStops], renderJudgement(judged)).toEqual([0, 0]);
	for (const [run, end] of ends) {
		const { stop } = replay(run);
		if (stop === undefined) expect(end, run.runId).toBeUndefined();
		else expect((end?.atStep ?? Number.POSITIVE_INFINITY) - stop.atEvent, run.runId).toBeLessThanOrEqual(1);
	}
});

test.each([
	{ gateways: 1, pick: ofOne },
	{ gateways: 4, pick: inTurn },
])("of conversations that the provider keeps no loop is missed on $gateways gateways, and nothing else is stopped", async ({ gateways, pick }) => {
	const ends = await endsOf(CORPUS, { endpoint: "responses", gateways, pick, isKept: true });
	const judged = judgeRuns(CORPUS, (run) => ends.get(run));
	expect([judged.missed, judged.falseStops], renderJudgement(judged)).toEqual([0, 0]);
});
