import { Client, Connection } from "@temporalio/client";
import type { AskWitnesses, ToldHead } from "#activities/verification/port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type TeamBudgetStatus, teamBudgetWorkflowId } from "../workflows/team-budget/messages.ts";

/**
 * The team workflows as witnesses of the ledger's chains: each remembers the heads that came with its totals, in
 * Temporal's history, where nobody reaches by changing the database.
 */
const TEAMS_ASKED_MAX = 1_000;
const QUERIES_IN_FLIGHT = 8;

export type WitnessOptions = { readonly temporalAddress: string | null; readonly temporalNamespace: string };

export function askTeamWorkflows({ temporalAddress, temporalNamespace }: WitnessOptions): AskWitnesses {
	return async () => {
		if (temporalAddress === null) return { heads: [], note: "TEMPORAL_ADDRESS is not set: the chains were held to the ledger's own anchors alone." };
		const connection = Connection.lazy({ address: temporalAddress, connectTimeout: 2_000 });
		try {
			const governance = new GovernanceClient({ connection, client: new Client({ connection, namespace: temporalNamespace }) });
			return await ask(governance);
		} catch (error) {
			if (!(error instanceof CostControlError && error.code === "governance.unreachable")) throw error;
			return { heads: [], note: "Temporal or its worker did not answer: the chains were held to the ledger's own anchors alone." };
		} finally {
			await connection.close();
		}
	};
}

async function ask(governance: GovernanceClient) {
	const teamIds = await governance.governedTeams(TEAMS_ASKED_MAX);
	const isCapped = teamIds.length === TEAMS_ASKED_MAX;
	const heads: ToldHead[] = [];
	const lanes = Array.from({ length: QUERIES_IN_FLIGHT }, async () => {
		for (let teamId = teamIds.shift(); teamId !== undefined; teamId = teamIds.shift()) heads.push(...(await headsToldTo(governance, teamId)));
	});
	await Promise.all(lanes);
	return { heads, note: isCapped ? `The chains were held to what ${TEAMS_ASKED_MAX} of the team workflows were told.` : null };
}

async function headsToldTo(governance: GovernanceClient, teamId: string): Promise<ToldHead[]> {
	// A worker of the release before answers without them.
	const { chainHeads = [] }: Partial<TeamBudgetStatus> = await governance.status(teamId);
	return chainHeads.map((head) => ({ ...head, witness: teamBudgetWorkflowId(teamId) }));
}
