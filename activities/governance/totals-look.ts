import type { RefusalCounts } from "../budgets/postgres.ts";
import type { TeamSnapshot, TotalsSource, UntoldPolicies } from "./totals-source.ts";

/**
 * The totals of all teams as they were seen last. Looking reads only teams of which something was written since, so that it costs
 * what has moved and not what there is; everything is read anew every few seconds, because windows also begin and end by the clock.
 */
const READ_ALL_INTERVAL_MS = 5_000;

export type LookSource = Pick<TotalsSource, "readHorizon" | "movedSince" | "readUntoldPolicies" | "readTeams">;

export class TotalsLook {
	private readonly source: LookSource;
	private readonly refusalsOf: (windowId: string) => RefusalCounts;
	private teams = new Map<string, TeamSnapshot>();
	private untold: UntoldPolicies = new Map();
	/** Undefined: nothing is known, or not whether all of it was seen. */
	private horizon: string | undefined;
	private readAllAtMs = Number.NEGATIVE_INFINITY;

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
		if (horizon === undefined || nowMs - this.readAllAtMs >= READ_ALL_INTERVAL_MS) await this.readAll(nowMs, untold);
		else await this.readMoved(horizon, untold);
		this.untold = untold;
		this.horizon = next;
		return [...this.teams.values()];
	}

	/** The same team with other refusal counts. */
	put(team: TeamSnapshot): void {
		if (this.teams.has(team.teamId)) this.teams.set(team.teamId, team);
	}

	private async readAll(nowMs: number, untold: UntoldPolicies): Promise<void> {
		const teams = await this.source.readTeams(null, { untold, refusalsOf: this.refusalsOf });
		this.teams = new Map(teams.map((team) => [team.teamId, team]));
		this.readAllAtMs = nowMs;
	}

	private async readMoved(horizon: string, untold: UntoldPolicies): Promise<void> {
		const moved = new Set(await this.source.movedSince(horizon));
		for (const teamId of untold.keys()) if (!this.untold.has(teamId)) moved.add(teamId);
		for (const teamId of this.untold.keys()) if (!untold.has(teamId)) moved.add(teamId);
		if (moved.size === 0) return;
		const found = await this.source.readTeams([...moved], { untold, refusalsOf: this.refusalsOf });
		for (const teamId of moved) this.teams.delete(teamId);
		for (const team of found) this.teams.set(team.teamId, team);
	}
}
