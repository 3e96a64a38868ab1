import type { Client } from "@temporalio/client";
import { expect } from "vitest";
import { GovernanceClient } from "#clients/governance-client.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { until } from "#test/support/until.ts";
import { teamBudgetWorkflowId, UPDATES_IN_FLIGHT_MAX } from "#workflows/team-budget/messages.ts";
import { bodyOf, planCall } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { beside, type Governed, insist, limitOf, setLimit } from "./governance.ts";
import type { FaultStand, Team } from "./stand.ts";

/** More updates than Temporal takes: of one workflow 10 at once, and 2,000 in one run. */

const UPDATES_OF_ONE_CLIENT = 2_100;
/** Who ask through one client; four times as many as it may have in flight. */
const PEOPLE = 4 * UPDATES_IN_FLIGHT_MAX;
const OTHER_CLIENTS = 200;
const UPDATES_OF_ONE_RUN_MOST = 2_000;
const EVENTS_OF_ONE_RUN_MOST = 51_200;
const FIRST_LIMIT_NANO_USD = 6_000_000_000n;

/** The client as the product uses it, with a look at how many updates it has in flight. */
function watchInFlight(client: Client): { client: Client; most(): number } {
	let inFlight = 0;
	let most = 0;
	const workflow = new Proxy(client.workflow, {
		get(target, name) {
			const member: unknown = Reflect.get(target, name, target);
			if (typeof member !== "function") return member;
			if (name !== "executeUpdateWithStart") return member.bind(target) as unknown;
			return async (...given: unknown[]): Promise<unknown> => {
				inFlight += 1;
				most = Math.max(most, inFlight);
				try {
					return (await Reflect.apply(member, target, given)) as unknown;
				} finally {
					inFlight -= 1;
				}
			};
		},
	});
	return {
		client: new Proxy(client, { get: (target, name) => (name === "workflow" ? workflow : (Reflect.get(target, name, target) as unknown)) }),
		most: () => most,
	};
}

/** Far more processes at once than the server takes updates: told which were taken, told of the others that they were not. */
async function askFromEverywhere({ temporal }: Governed, team: Team): Promise<{ revisions: number[]; refused: number }> {
	const ends = await Promise.allSettled(
		Array.from({ length: OTHER_CLIENTS }, (_, index) =>
			// Other processes, each with its own limit of updates in flight.
			setLimit(new GovernanceClient({ connection: temporal.connection, client: temporal.client }), team, FIRST_LIMIT_NANO_USD + BigInt(index)),
		),
	);
	const refused = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
	for (const reason of refused) expect(reason).toBeInstanceOf(CostControlError);
	return { revisions: ends.flatMap((end) => (end.status === "fulfilled" ? [end.value.revision] : [])), refused: refused.length };
}

/** One change of the limit after another by each of several people; what is refused is asked for again until it is taken. */
async function askThroughOne({ temporal }: Governed, team: Team): Promise<{ revisions: number[]; refused: number; mostInFlight: number }> {
	const watched = watchInFlight(temporal.client);
	const one = new GovernanceClient({ connection: temporal.connection, client: watched.client });
	const revisions: number[] = [];
	let refused = 0;
	let changes = 0;
	const change = async (limit: bigint): Promise<void> => {
		try {
			revisions.push((await setLimit(one, team, limit)).revision);
		} catch (error) {
			refused += 1;
			throw error;
		}
	};
	const askAgainAndAgain = async (): Promise<void> => {
		while (revisions.length + refused < UPDATES_OF_ONE_CLIENT) {
			const limit = FIRST_LIMIT_NANO_USD + BigInt(OTHER_CLIENTS + changes++);
			await insist(`a limit of ${limit}`, () => change(limit));
		}
	};
	await Promise.all(Array.from({ length: PEOPLE }, askAgainAndAgain));
	expect(revisions).toHaveLength(changes);
	return { revisions, refused, mostInFlight: watched.most() };
}

type Run = { readonly updates: number; readonly events: number };

/** What Temporal kept of each run of the team's workflow. */
async function runsOf({ temporal }: Governed, workflowId: string): Promise<Run[]> {
	const runs: Run[] = [];
	for await (const { runId } of temporal.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
		const { events } = await temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
		const updates = events?.filter(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => accepted).length ?? 0;
		runs.push({ updates, events: events?.length ?? 0 });
	}
	return runs;
}

/** A call of the team that the provider keeps until it is released: money that is granted and not posted. Resolves with its status. */
async function holdCall(run: FaultRun, stand: FaultStand, team: Team): Promise<{ status: Promise<number> }> {
	const body = bodyOf({ ...planCall(team, run.random), isStream: false, directive: { holdUntil: "updates" } });
	const headers = { authorization: `Bearer ${team.key}`, "content-type": "application/json" };
	const status = fetch(`${stand.gateway(0).url}/v1/chat/completions`, { method: "POST", headers, body }).then(
		(response) => response.status,
		() => 0, // a broken connection
	);
	await until("the call in flight", async () => (await stand.base.provider.control("state"))["held"] === 1);
	return { status };
}

/** What the workflow knows to be granted to gateways and not posted by them yet. */
async function pendingNanoUsd({ governance }: Governed, team: Team): Promise<bigint> {
	const window = (await governance.status(team.teamId)).budgets[0]?.window;
	return window ? BigInt(window.granted) - BigInt(window.posted) : 0n;
}

export const UPDATE_FAULTS: readonly Fault[] = [
	{
		id: "F34",
		name: `${UPDATES_OF_ONE_CLIENT} updates of one workflow by many people through one client, ${OTHER_CLIENTS} more at once from others, over several of its runs`,
		run: (run) =>
			beside(run, async (governed) => {
				const { stand, temporal } = governed;
				const team = await stand.base.team(5_000_000_000n);
				const workflowId = teamBudgetWorkflowId(team.teamId);
				const person = new GovernanceClient({ connection: temporal.connection, client: temporal.client });
				await setLimit(person, team, 5_000_000_000n);
				const held = await holdCall(run, stand, team);
				await until("the workflow to know of it", async () => (await pendingNanoUsd(governed, team)) > 0n);
				const everywhere = await askFromEverywhere(governed, team);
				const one = await askThroughOne(governed, team);
				expect(one.mostInFlight).toBe(UPDATES_IN_FLIGHT_MAX);
				await insist("the last word", () => setLimit(person, team, 7_777_777_777n));
				await until("the last limit in PostgreSQL", async () => (await limitOf(stand, team)) === "7777777777");
				expect(await pendingNanoUsd(governed, team), "pending money after so many runs").toBeGreaterThan(0n);
				await stand.base.provider.control("release", { name: "updates" });
				expect(await held.status).toBe(200);
				await until("the workflow to know that it ended", async () => (await pendingNanoUsd(governed, team)) === 0n);
				// Each change that was taken is one of its own, in the order of its revision, and none came after the last word.
				const revisions = [...everywhere.revisions, ...one.revisions];
				expect(new Set(revisions).size).toBe(revisions.length);
				const { revision } = await person.status(team.teamId);
				expect(revision).toBeGreaterThan(Math.max(...revisions));
				const runs = await runsOf(governed, workflowId);
				expect(runs.length, "runs, of some 500 messages each").toBeGreaterThan(3);
				expect(runs.reduce((sum, { updates }) => sum + updates, 0)).toBeGreaterThan(UPDATES_OF_ONE_RUN_MOST);
				expect(runs.filter(({ updates, events }) => updates > UPDATES_OF_ONE_RUN_MOST || events > EVENTS_OF_ONE_RUN_MOST)).toEqual([]);
				return `${revisions.length} updates taken in ${runs.length} runs of at most ${Math.max(...runs.map(({ events }) => events))} events; ${everywhere.refused + one.refused} refused`;
			}),
	},
];
