import { setTimeout as delay } from "node:timers/promises";
import { assert } from "#domain/assert.ts";
import { type AcceptedTotals, planPublications } from "#domain/budget/publication.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { NO_REFUSALS, type RefusalCounts } from "../budgets/postgres.ts";
import { RoleLoop } from "../shared/role-loop.ts";
import type { OpeningBalances } from "./opening-balances.ts";
import type { PublisherObserver, TotalsSink } from "./port.ts";
import { SignalPace } from "./signal-pace.ts";
import { TotalsLook } from "./totals-look.ts";
import type { TeamSnapshot, TotalsSource } from "./totals-source.ts";

/**
 * One publisher in the whole system (advisory lock) tells each team's workflow its absolute totals: at most once
 * per team and second, 50 a second in all, crossings first (money-path §9). It looks four times a second, less often where
 * many teams make looking slow, and tells as long as the next look is not due, so that a crossing waits for no more than that behind what moved. Signals
 * on their way do not hold up the next look: at fifty crossings a second no part of it may go by untold. With Temporal away nothing is lost: what was not accepted is due again, and absolute totals catch up in one signal.
 */
export type TotalsPublisherOptions = {
	readonly source: TotalsSource;
	readonly sink: TotalsSink;
	readonly observer: PublisherObserver;
	readonly openingBalances: Pick<OpeningBalances, "refresh" | "settled">;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least. Default 250 ms: a crossing is told well within 2 s. */
	readonly intervalMs?: number;
};

const DEFAULT_INTERVAL_MS = 250;
/** Looking takes at most a quarter of the time, as long as there is a look a second. */
const LOOK_SHARE = 4;
const INTERVAL_MAX_MS = 1_000;
/** Each to another workflow. A busy server takes 300 ms for one, and a look takes its time as well: fewer could not be told fifty in a second. */
const SIGNALS_IN_FLIGHT_MAX = 32;
/** Half of what may leave in a second: what is not told in time is read again. */
const REPORTS_AT_ONCE = 25;
/** Far below the 20 minutes for which an ended window is told anyway. */
const RECORD_TOLD_INTERVAL_MS = 60_000;

export class TotalsPublisher {
	private readonly options: TotalsPublisherOptions;
	private readonly accepted = new Map<string, AcceptedTotals>();
	private readonly recordedAt = new Map<string, number>();
	private readonly refusals = new Map<string, RefusalCounts>();
	private readonly refusalSeenAt = new Map<string, number>();
	/** Of those that are due, or on their way. */
	private crossingSeenAt: ReadonlyMap<string, number> = new Map();
	private readonly pace = new SignalPace();
	private readonly look: TotalsLook;
	private lookTookMs = 0;
	private readonly loop: RoleLoop;
	private refusalsReadAt = Number.NEGATIVE_INFINITY;
	/** Signals on their way, by team. The next look does not wait for them. */
	private readonly telling = new Map<string, Promise<void>>();
	/** What a signal found wrong that is not Temporal's absence; the next look tells it. */
	private failures: unknown[] = [];
	private isAway = false;

	constructor(options: TotalsPublisherOptions) {
		this.options = options;
		const { source, observer, now } = options;
		this.loop = new RoleLoop({
			...{ tryLock: () => source.tryLock(), look: () => this.lookAndTell(), observer, now, intervalMs: () => this.intervalMs },
			// Another publisher may have told more meanwhile; telling again what is already known does no harm.
			onRoleChange: () => this.accepted.clear(),
		});
		this.look = new TotalsLook(options.source, (windowId) => this.refusals.get(windowId) ?? NO_REFUSALS);
	}

	start(delayMs?: number): void {
		this.loop.start(delayMs);
	}

	/** Resolves when the cycle under way is over, and its signals are answered. */
	async stop(): Promise<void> {
		await this.loop.stop();
		await Promise.all(this.telling.values());
		await this.options.openingBalances.settled();
	}

	/** One look at the totals, the signals that are due and their answers. An outage is told to the observer, anything else rejects. */
	async cycle(): Promise<void> {
		await this.loop.cycle();
		await Promise.all(this.telling.values());
	}

	private async lookAndTell(): Promise<void> {
		const [failure] = this.failures.splice(0);
		if (failure !== undefined) throw failure;
		this.options.openingBalances.refresh((error) => this.openingsFailed(error));
		const beganAtMs = this.options.now();
		const teams = await this.look.look(beganAtMs);
		this.lookTookMs = this.options.now() - beganAtMs;
		this.forgetGone(teams);
		await this.publish(await this.withRefusals(teams));
	}

	private get intervalMs(): number {
		const { intervalMs = DEFAULT_INTERVAL_MS } = this.options;
		return Math.max(intervalMs, Math.min(INTERVAL_MAX_MS, LOOK_SHARE * this.lookTookMs));
	}

	/** An outage is told by the next look. */
	private openingsFailed(error: unknown): void {
		if (!(error instanceof CostControlError && error.isRetryable)) this.options.observer.failed(error);
	}

	/** Recounts the refusals of teams that have new ones. */
	private async withRefusals(teams: readonly TeamSnapshot[]): Promise<readonly TeamSnapshot[]> {
		// First look: whatever the open windows have refused. Later: an overlap of 10 s covers late commits.
		const sinceSeconds = Number.isFinite(this.refusalsReadAt) ? (this.options.now() - this.refusalsReadAt) / 1000 + 10 : 86_400;
		const refused = await this.options.source.teamsRefused(sinceSeconds);
		this.refusalsReadAt = this.options.now();
		if (refused.size === 0) return teams;
		const recounted = new Map<string, TeamSnapshot>();
		for (const team of teams) {
			const newestAt = newestRefusal(refused, team.teamId);
			if (newestAt !== undefined) recounted.set(team.teamId, await this.recount(team, newestAt));
		}
		return teams.map((team) => recounted.get(team.teamId) ?? team);
	}

	private async recount(team: TeamSnapshot, newestAt: number): Promise<TeamSnapshot> {
		const isRecent = this.options.now() - (this.accepted.get(team.teamId)?.atMs ?? Number.NEGATIVE_INFINITY) < 1_000;
		if (isRecent || this.refusalSeenAt.get(team.teamId) === newestAt) return team;
		const counts = await this.options.source.countRefusals(team);
		this.refusalSeenAt.set(team.teamId, newestAt);
		for (const [windowId, count] of counts) this.refusals.set(windowId, count);
		const recounted = { ...team, windows: team.windows.map((window) => ({ ...window, ...counts.get(window.windowId) })) };
		this.look.put(recounted);
		return recounted;
	}

	private async publish(teams: readonly TeamSnapshot[]): Promise<void> {
		const nowMs = this.options.now();
		const due = planPublications({
			teams: teams.filter(({ teamId }) => !this.telling.has(teamId)),
			accepted: this.accepted,
			seenAtMs: this.crossingSeenAt,
			nowMs,
		});
		// One that is on its way keeps its place, should it not arrive.
		const crossing = [...due.flatMap(({ teamId, isCrossing }) => (isCrossing ? [teamId] : [])), ...this.telling.keys()];
		this.crossingSeenAt = new Map(crossing.map((teamId) => [teamId, this.crossingSeenAt.get(teamId) ?? nowMs]));
		const byId = new Map(teams.map((team) => [team.teamId, team]));
		const wasAway = this.isAway;
		this.isAway = false;
		let reports: readonly TotalsReport[] = [];
		for (const [index, { teamId, isCrossing }] of due.entries()) {
			while (this.telling.size >= SIGNALS_IN_FLIGHT_MAX) await Promise.race(this.telling.values());
			// Who is not told in time is due again at the next look, behind what crossed meanwhile. One team that cannot be told
			// (Temporal away) means none can.
			if (this.isAway || this.failures.length > 0 || this.pace.freeAtMs(this.options.now(), isCrossing) >= nowMs + this.intervalMs) break;
			const team = byId.get(teamId);
			assert(team !== undefined, "who is due was looked at");
			const place = index % REPORTS_AT_ONCE;
			if (place === 0) reports = await this.options.source.reports(due.slice(index, index + REPORTS_AT_ONCE).flatMap((each) => byId.get(each.teamId) ?? []));
			const report = reports[place];
			assert(report !== undefined, "each team that is due has a report");
			const leavesAtMs = this.pace.take(this.options.now(), isCrossing);
			if (leavesAtMs > this.options.now()) await (this.options.wait ?? delay)(leavesAtMs - this.options.now());
			const telling = this.tell(team, report)
				.then(
					(isTold) => {
						this.isAway ||= !isTold;
					},
					(error: unknown) => void this.failures.push(error),
				)
				.finally(() => this.telling.delete(teamId));
			this.telling.set(teamId, telling);
			// One finds out whether Temporal is back; the others do not wait out their deadlines beside it.
			if (wasAway && index === 0) await telling;
		}
	}

	/** False: Temporal is away. */
	private async tell(team: TeamSnapshot, report: TotalsReport): Promise<boolean> {
		try {
			await this.options.sink.reportTotals(team.teamId, report);
		} catch (error) {
			return !this.loop.isAway(error);
		}
		this.loop.temporalAnswered();
		await this.recordTold(team.teamId);
		if (team.hasUntoldPolicy) await this.options.source.recordPolicyTold(team);
		const windows = new Map(team.windows.map((window) => [window.windowId, window]));
		this.accepted.set(team.teamId, { atMs: this.options.now(), windows, freezeSeq: team.freezeSeq });
		return true;
	}

	private async recordTold(teamId: string): Promise<void> {
		const nowMs = this.options.now();
		if (nowMs - (this.recordedAt.get(teamId) ?? Number.NEGATIVE_INFINITY) < RECORD_TOLD_INTERVAL_MS) return;
		await this.options.source.recordTold(teamId);
		this.recordedAt.set(teamId, nowMs);
	}

	private forgetGone(teams: readonly TeamSnapshot[]): void {
		const live = new Set(teams.flatMap((team) => team.windows.map((window) => window.windowId)));
		for (const windowId of this.refusals.keys()) if (!live.has(windowId)) this.refusals.delete(windowId);
	}
}

/** Windows of the organisation refuse calls of its teams. */
function newestRefusal(refused: ReadonlyMap<string, number>, teamId: string): number | undefined {
	if (teamId !== ORGANIZATION_ID) return refused.get(teamId);
	return refused.size === 0 ? undefined : Math.max(...refused.values());
}
