import { describe, expect, test } from "vitest";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { TeamBudgetStatus } from "#workflows/team-budget/messages.ts";
import { hearTeamWorkflows, type WitnessSource } from "../../../workers/chain-witnesses.ts";

const head = { gatewayId: "g1", epoch: "1", chunkSeq: "7", hash: "ab" };
const answering = async () => ({ chainHeads: [head] }) as unknown as TeamBudgetStatus;
const away = async (): Promise<never> => {
	throw new CostControlError("governance.unreachable", "away");
};
const gone = async (): Promise<never> => {
	throw new CostControlError("admin.not_found", "gone");
};

/** Workflows by team; those listed are what Temporal names. */
function workflows(statuses: Record<string, () => Promise<TeamBudgetStatus>>, listed = Object.keys(statuses)): WitnessSource {
	return { governedTeams: async (teamsMax) => listed.slice(0, teamsMax), status: (teamId) => (statuses[teamId] ?? gone)() };
}

describe("the team workflows as witnesses", () => {
	test("all of them heard need no note", async () => {
		expect(await hearTeamWorkflows(workflows({ a: answering }), ["a"])).toEqual({ heads: [{ ...head, witness: "team-budget/a" }], note: null });
	});

	test("one that is silent and one that is gone leave the testimony of the others, and are counted", async () => {
		const { heads, note } = await hearTeamWorkflows(workflows({ a: answering, silent: away, b: answering, lost: gone }), ["a", "never-listed"]);
		expect(heads.map(({ witness }) => witness)).toEqual(["team-budget/a", "team-budget/b"]);
		expect(note).toBe("The chains were held to what the workflows of 2 teams were told; left out: 1 did not answer, 2 have no workflow (lost, never-listed).");
	});

	test("a workflow that Temporal does not list any more is asked all the same", async () => {
		expect((await hearTeamWorkflows(workflows({ a: answering }, []), ["a"])).heads).toHaveLength(1);
	});

	test("Temporal away is said, and no error", async () => {
		expect(await hearTeamWorkflows({ governedTeams: away, status: answering }, ["a"])).toEqual({
			heads: [],
			note: "Temporal did not answer: the chains were held to the ledger's own anchors alone.",
		});
	});

	test("a mistake of ours is not a silent witness", async () => {
		const broken = async (): Promise<never> => {
			throw new TypeError("ours");
		};
		await expect(hearTeamWorkflows(workflows({ a: broken }), [])).rejects.toThrow("ours");
	});

	test("of more than 1,000 teams 1,000 are asked, at most eight at a time, and the note says so", async () => {
		const teams = Array.from({ length: 1_001 }, (_, index) => `t${index}`);
		let [asking, most, asked] = [0, 0, 0];
		const status = async () => {
			asked++;
			most = Math.max(most, ++asking);
			await Promise.resolve();
			asking--;
			return answering();
		};
		const listing = (listed: string[]): WitnessSource => ({ governedTeams: async (teamsMax) => listed.slice(0, teamsMax), status });
		expect(await hearTeamWorkflows(listing(teams.slice(1)), [])).toMatchObject({ note: null });
		expect(asked).toBe(1_000);
		const capped = await hearTeamWorkflows(listing(teams), []);
		expect(asked).toBe(2_000);
		expect(most).toBe(8);
		expect(capped.heads).toHaveLength(1_000);
		expect(capped.note).toBe("The chains were held to what the workflows of 1000 teams were told; left out: those beyond the 1000 that are asked.");
	});

	test("where nobody answers, the hearing ends and who was not asked counts as silent", async () => {
		let nowMs = 0;
		let asked = 0;
		const slow = async (): Promise<never> => {
			asked++;
			nowMs += 3_000;
			return away();
		};
		const teams = Array.from({ length: 50 }, (_, index) => `t${index}`);
		const { note } = await hearTeamWorkflows({ governedTeams: async () => teams, status: slow }, [], () => nowMs);
		expect(asked).toBeLessThan(20);
		expect(note).toContain("50 did not answer");
	});
});
