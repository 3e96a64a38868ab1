import type { RefusalCounts } from "../budgets/postgres.ts";
import type { TeamSnapshot, TotalsSource, UntoldPolicies } from "./totals-source.ts";

/**
 * The totals of all teams as they were seen last. Looking reads only teams of which something was written since, so that it costs
 * what has moved and not what there is; and, because windows also begin and end by the clock, all there are in turn, a few with each look:
 * while thousands are read at once nobody is told anything, and what could have been told then is made up for by nothing.
 */
const READ_IN_TURN_MS = 30_000;

export type LookSource = Pick<TotalsSource, "readHorizon" | "movedSince" | "readUntoldPolicies" | "teamIds" | "readTeams">;

export class TotalsLook {
	private readonly source: LookSource;
	private readonly refusalsOf: (windowId: string) => RefusalCounts;
	private teams = new Map<string, TeamSnapshot>();
	private untold: UntoldPolicies = new Map();
	/** Undefined: nothing is known, or not whether all of it was seen. */
	private horizon: string | undefined;
	/** Of the look before. */
	private lookedAtMs = Number.NEGATIVE_INFINITY;
	/** Teams whose turn is still to come, and how many began it. */
	private waiting: string[] = [];
	private turnSize = 0;

	constructor(source: LookSource, refusalsOf: (windowId: string) => RefusalCounts) {
		this.source = source;
		this.refusalsOf = refusalsOf;
	}

	/** Rejects when PostgreSQL is away; the next look then reads everything. */
	async look(nowMs: number): Promise<readonly TeamSnapshot[]> {
		const { horizon } = this;
		this.horizon = undefined;
		const next = await this.source.readHorizon();
		const untold = await this.source.readUntoldPolicies();
		if (horizon === undefined) await this.readAll(untold);
		else await this.readMoved(horizon, untold, await this.takeTurn(nowMs - this.lookedAtMs));
		this.lookedAtMs = nowMs;
		this.untold = untold;
		this.horizon = next;
		return [...this.teams.values()];
	}

	/** The same team with other refusal counts. */
	put(team: TeamSnapshot): void {
		if (this.teams.has(team.teamId)) this.teams.set(team.teamId, team);
	}

	private async readAll(untold: UntoldPolicies): Promise<void> {
		const teams = await this.source.readTeams(null, { untold, refusalsOf: this.refusalsOf });
		this.teams = new Map(teams.map((team) => [team.teamId, team]));
	}

	/** So many that all have had their turn within READ_IN_TURN_MS. */
	private async takeTurn(sinceMs: number): Promise<readonly string[]> {
		if (this.waiting.length === 0) {
			this.waiting = [...(await this.source.teamIds())];
			this.turnSize = this.waiting.length;
		}
		const share = Math.min(1, sinceMs / READ_IN_TURN_MS);
		return this.waiting.splice(0, Math.ceil(this.turnSize * share));
	}

	private async readMoved(horizon: string, untold: UntoldPolicies, inTurn: readonly string[]): Promise<void> {
		const moved = new Set([...(await this.source.movedSince(horizon)), ...inTurn]);
		for (const teamId of untold.keys()) if (!this.untold.has(teamId)) moved.add(teamId);
		for (const teamId of this.untold.keys()) if (!untold.has(teamId)) moved.add(teamId);
		if (moved.size === 0) return;
		const found = await this.source.readTeams([...moved], { untold, refusalsOf: this.refusalsOf });
		for (const teamId of moved) this.teams.delete(teamId);
		for (const team of found) this.teams.set(team.teamId, team);
	}
}
