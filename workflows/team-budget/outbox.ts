import { ActivityFailure } from "@temporalio/common";
import { condition, log } from "@temporalio/workflow";
import type { Lane } from "#domain/budget/team-budget-outbox.ts";
import { isRefused } from "../shared/refused.ts";
import type { TeamBudgetGovernor } from "./governor.ts";

/** After PostgreSQL stayed away for a whole activity; long enough not to fill the history. */
const PAUSE_MS = 30_000;

/**
 * Carries out one lane of the outbox until the run ends, one activity at a time, in order. What PostgreSQL refuses for
 * what it says is given up; what fails for any other reason is tried again after a pause, and keeps its place.
 */
export async function drainLane(governor: TeamBudgetGovernor, lane: Lane, shouldRoll: () => boolean): Promise<void> {
	for (;;) {
		await condition(() => governor.hasWork(lane) || shouldRoll());
		if (shouldRoll()) return;
		governor.passTime();
		if (!(await tryNext(governor, lane))) await condition(shouldRoll, PAUSE_MS);
	}
}

/** Shows each window in its time; PostgreSQL opens it without being told. */
export async function followWindows(governor: TeamBudgetGovernor, shouldRoll: () => boolean): Promise<void> {
	while (!shouldRoll()) {
		governor.passTime();
		const endMs = governor.nextEndMs();
		await waitUntil(() => shouldRoll() || governor.nextEndMs() !== endMs, endMs);
	}
}

/** How runs began before the lanes: one effect after the other, whatever it is. Kept for their replay (PATCHES "outbox-lanes"). */
export async function drainInOrder(governor: TeamBudgetGovernor, shouldRoll: () => boolean): Promise<void> {
	let retryAtMs = 0;
	const hasDueEffect = (): boolean => governor.state.outbox.length > 0 && Date.now() >= retryAtMs;
	do {
		const times = [governor.nextEndMs(), governor.state.outbox.length > 0 ? retryAtMs : null].filter((time) => time !== null);
		await waitUntil(() => hasDueEffect() || shouldRoll(), times.length === 0 ? null : Math.min(...times));
		governor.passTime();
		if (hasDueEffect() && !(await tryOldest(governor))) retryAtMs = Date.now() + PAUSE_MS;
	} while (!shouldRoll());
}

async function tryNext(governor: TeamBudgetGovernor, lane: Lane): Promise<boolean> {
	const effect = governor.oldestOf(lane);
	try {
		await (effect === undefined ? governor.reread() : governor.carryOut(effect));
		return true;
	} catch (error) {
		if (!(error instanceof ActivityFailure)) throw error;
		const problem = error.cause?.message ?? error.message;
		if (effect === undefined || !isRefused(error)) {
			log.warn("the outbox waits", { lane, kind: effect?.kind ?? "reread", error: problem });
			return false;
		}
		log.error("PostgreSQL refused an effect for what it says; it is given up", { lane, kind: effect.kind, id: effect.id, error: problem });
		governor.giveUp(effect, problem);
		return true;
	}
}

async function tryOldest(governor: TeamBudgetGovernor): Promise<boolean> {
	const [effect] = governor.state.outbox;
	if (effect === undefined) return true;
	try {
		await governor.carryOut(effect);
		return true;
	} catch (error) {
		if (!(error instanceof ActivityFailure)) throw error;
		log.warn("an effect waits in the outbox", { kind: effect.kind, error: error.message });
		return false;
	}
}

async function waitUntil(isDue: () => boolean, latestAtMs: number | null): Promise<void> {
	if (latestAtMs === null) await condition(isDue);
	else await condition(isDue, Math.max(1, latestAtMs - Date.now()));
}
