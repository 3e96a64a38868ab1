import type { ControlAnswer } from "../control.ts";
import type { JsonObject } from "../json.ts";
import { SettingsError } from "../settings.ts";
import type { BatchDesk } from "./desk.ts";
import { forgetExpired } from "./files.ts";
import { withLimits } from "./limits.ts";
import { statusOf } from "./openai-batches.ts";
import type { OperationFaults } from "./operation-faults.ts";
import { checkPlan, PlanError } from "./plan.ts";
import { type BatchRecord, isOpen } from "./records.ts";
import { turnaroundOf } from "./timeline.ts";

/**
 * How tests steer batches, loopback only: `GET /simulator/batches`, `POST /simulator/batches/clock {advanceMs?, nowMs?, pace?}` (answered when
 * everything that is due by then was done), `POST /simulator/batches/plan {plan, batch? | next?}`,
 * `POST /simulator/batches/faults {next?, rates?, retryAfterSeconds?}`, `POST /simulator/batches/limits {openai?, anthropic?}`.
 */

export type Steered = { readonly desk: BatchDesk; readonly faults: OperationFaults; readonly seed: number };

export const BATCH_CONTROL = "/simulator/batches";
const BATCHES_SHOWN = 100;

export async function controlBatches(
	steered: Steered,
	call: { readonly method: string; readonly path: string; readonly body: JsonObject },
): Promise<ControlAnswer> {
	const { method, path, body } = call;
	try {
		switch (`${method} ${path.slice(BATCH_CONTROL.length)}`) {
			case "GET ":
				break;
			case "POST /clock":
				await moveClock(steered.desk, body);
				break;
			case "POST /plan":
				await setPlan(steered.desk, body);
				break;
			case "POST /faults":
				steered.faults.set(body);
				break;
			case "POST /limits":
				steered.desk.limits = withLimits(steered.desk.limits, body);
				break;
			default:
				return { status: 404, body: { error: `no such control endpoint: ${method} ${path}` } };
		}
	} catch (error) {
		if (error instanceof SettingsError || error instanceof PlanError) return { status: 400, body: { error: error.message } };
		throw error;
	}
	return { status: 200, body: describe(steered) };
}

async function moveClock({ clock, disk, runner }: BatchDesk, body: JsonObject): Promise<void> {
	const { advanceMs, nowMs, pace } = body;
	const mistakes = Object.entries(body).flatMap(([field, value]) => {
		if (field !== "advanceMs" && field !== "nowMs" && field !== "pace") return [`unknown field ${field}`];
		return typeof value === "number" && value >= 0 ? [] : [`${field} must be a number of at least 0`];
	});
	if (mistakes.length > 0) throw new SettingsError(`clock: ${mistakes.join("; ")}`);
	if (typeof nowMs === "number" && !clock.setForward(nowMs)) throw new SettingsError("clock: nowMs is past; the clock does not go back");
	if (typeof advanceMs === "number") clock.advance(advanceMs);
	if (typeof pace === "number") clock.setPace(pace);
	disk.saveClock(clock.anchor);
	runner.wakeAll();
	await runner.settled();
	forgetExpired({ disk, clock });
}

async function setPlan({ disk, plans, runner }: BatchDesk, body: JsonObject): Promise<void> {
	const { batch, next } = body;
	for (const field of Object.keys(body)) if (!["plan", "batch", "next"].includes(field)) throw new SettingsError(`plan: unknown field ${field}`);
	const plan = checkPlan(body["plan"]);
	if (batch !== undefined) {
		const record = typeof batch === "string" ? disk.batch(batch) : undefined;
		if (record === undefined) throw new SettingsError(`plan: no batch is called ${String(batch)}`);
		disk.changeBatch(record.id, { plan: { ...record.plan, ...plan } });
		runner.wake(record.id);
		return runner.settled();
	}
	if (next === undefined) plans.standing = plan;
	else if (Number.isSafeInteger(next) && (next as number) > 0) plans.addNext(plan, next as number);
	else throw new SettingsError("plan: next must be an integer above 0");
}

function describe({ desk, faults, seed }: Steered): JsonObject {
	const { clock, disk, plans, limits } = desk;
	const batches = disk.batches();
	return {
		nowMs: clock.nowMs(),
		pace: clock.anchor.pace,
		plan: plans.standing,
		nextPlans: plans.next,
		faults: faults.describe(),
		limits,
		files: disk.files().length,
		open: batches.filter(isOpen).length,
		total: batches.length,
		batches: batches.slice(-BATCHES_SHOWN).map((record) => describeBatch(record, seed)),
	};
}

function describeBatch(record: BatchRecord, seed: number): JsonObject {
	const { id, protocol, total, done, plan, createdAtMs, startedAtMs, endedAtMs } = record;
	return { id, protocol, status: statusOf(record), total, done, turnaroundMs: turnaroundOf(record, seed), plan, createdAtMs, startedAtMs, endedAtMs };
}
