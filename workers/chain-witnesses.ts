import { Client, Connection } from "@temporalio/client";
import type { AskWitnesses, Testimony, ToldHead } from "#activities/verification/port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type TeamBudgetStatus, teamBudgetWorkflowId } from "../workflows/team-budget/messages.ts";

/**
 * The team workflows as witnesses of the ledger's chains: each remembers the heads that came with its totals, in
 * Temporal's history, where nobody reaches by changing the database. The ledger is held to those who answer; the others
 * are counted and left out. Every single ask has a deadline (GovernanceClient), and so have all of them together.
 */
const TEAMS_ASKED_MAX = 1_000;
const QUERIES_IN_FLIGHT = 8;
/** Where the worker is away every ask runs into its own deadline. */
const HEARING_MS = 20_000;
const TEAMS_NAMED_MAX = 10;

export type WitnessOptions = { readonly temporalAddress: string | null; readonly temporalNamespace: string };

export function askTeamWorkflows({ temporalAddress, temporalNamespace }: WitnessOptions): AskWitnesses {
	return async (governedTeamIds) => {
		if (temporalAddress === null) return { heads: [], note: "TEMPORAL_ADDRESS is not set: the chains were held to the ledger's own anchors alone." };
		const connection = Connection.lazy({ address: temporalAddress, connectTimeout: 2_000 });
		try {
			const governance = new GovernanceClient({ connection, client: new Client({ connection, namespace: temporalNamespace }) });
			return await hearTeamWorkflows(governance, governedTeamIds);
		} finally {
			await connection.close();
		}
	};
}

/** What `hearTeamWorkflows` asks of governance. */
export type WitnessSource = Pick<GovernanceClient, "governedTeams" | "status">;

/**
 * Asks the workflows that Temporal lists and those that should be there: `governedTeamIds` are the teams with a budget.
 * `nowMs` is a monotonic clock.
 */
export async function hearTeamWorkflows(
	governance: WitnessSource,
	governedTeamIds: readonly string[],
	nowMs: () => number = () => performance.now(),
): Promise<Testimony> {
	const endsAtMs = nowMs() + HEARING_MS;
	const listed = await unlessFor(["governance.unreachable"], () => governance.governedTeams(TEAMS_ASKED_MAX + 1));
	if (listed instanceof CostControlError) return { heads: [], note: "Temporal did not answer: the chains were held to the ledger's own anchors alone." };
	const teamIds = [...new Set([...listed, ...governedTeamIds])];
	const asked = teamIds.slice(0, TEAMS_ASKED_MAX);
	const heads: ToldHead[] = [];
	const gone: string[] = [];
	let answers = 0;
	const waiting = asked.values();
	const lanes = Array.from({ length: QUERIES_IN_FLIGHT }, async () => {
		for (const teamId of waiting) {
			if (nowMs() >= endsAtMs) continue;
			const answer = await unlessFor(["governance.unreachable", "admin.not_found"], () => headsToldTo(governance, teamId));
			if (!(answer instanceof CostControlError)) {
				answers++;
				heads.push(...answer);
			} else if (answer.code === "admin.not_found") gone.push(teamId);
		}
	});
	await Promise.all(lanes);
	return { heads, note: noteOf({ answers, silent: asked.length - answers - gone.length, gone, isCapped: teamIds.length > asked.length }) };
}

async function headsToldTo(governance: WitnessSource, teamId: string): Promise<ToldHead[]> {
	// A worker of the release before answers without them.
	const { chainHeads = [] }: Partial<TeamBudgetStatus> = await governance.status(teamId);
	return chainHeads.map((head) => ({ ...head, witness: teamBudgetWorkflowId(teamId) }));
}

/** The result, or the error where it has one of the codes; throws any other. */
async function unlessFor<Result>(codes: readonly string[], ask: () => Promise<Result>): Promise<Result | CostControlError> {
	try {
		return await ask();
	} catch (error) {
		if (error instanceof CostControlError && codes.includes(error.code)) return error;
		throw error;
	}
}

type Hearing = { readonly answers: number; readonly silent: number; readonly gone: readonly string[]; readonly isCapped: boolean };

/** Null when everybody was heard. */
function noteOf({ answers, silent, gone, isCapped }: Hearing): string | null {
	const left = [
		...(silent > 0 ? [`${silent} did not answer`] : []),
		...(gone.length > 0 ? [`${gone.length} have no workflow (${namesOf(gone)})`] : []),
		...(isCapped ? [`those beyond the ${TEAMS_ASKED_MAX} that are asked`] : []),
	];
	return left.length === 0 ? null : `The chains were held to what the workflows of ${answers} teams were told; left out: ${left.join(", ")}.`;
}

function namesOf(teamIds: readonly string[]): string {
	const named = [...teamIds].sort().slice(0, TEAMS_NAMED_MAX);
	return named.length < teamIds.length ? `${named.join(", ")}, …` : named.join(", ");
}
