import { expect } from "vitest";
import { until } from "#test/support/until.ts";
import { type CallRecord, type PlannedCall, send } from "./call.ts";

/**
 * Callers that work through one seeded plan: a third before the fault, a third while it lasts, the rest after the heal. Each
 * caller belongs to one gateway and takes the next call of the plan, so that every gateway meets every team.
 */
export type Load = {
	readonly records: readonly CallRecord[];
	/** The first third has ended: the fault may begin. Calls are spread over `lastsMs` from here on. */
	beginFault(lastsMs: number): Promise<void>;
	/** Calls that start from here on must be served or refused for money. */
	healed(): void;
	/** The whole plan has ended. */
	finish(): Promise<void>;
};

export type LoadGateway = { readonly url: string };

const CALLERS_PER_GATEWAY = 3;
const PAUSE_MS = 10;
const DONE_WITHIN_MS = 150_000;

export function startLoad(gateways: () => readonly LoadGateway[], plan: readonly PlannedCall[]): Load {
	const records: CallRecord[] = [];
	const count = gateways().length;
	const third = Math.floor(plan.length / 3);
	let next = 0;
	let pauseMs = PAUSE_MS;
	let phase: "before" | "during" | "after" = "before";
	const callAgain = async (gateway: number): Promise<void> => {
		while (next < plan.length) {
			// What is left for after the heal waits for it.
			if (phase === "during" && next >= 2 * third) await until("the heal", () => phase === "after", DONE_WITHIN_MS);
			const call = plan[next++];
			if (call === undefined) return;
			const record = await send(call, { url: gateways()[gateway]?.url ?? "", gateway, phase });
			records.push({ ...record, phase: record.phase === "before" ? phase : record.phase }); // the fault may have begun under it
			await new Promise((resolve) => setTimeout(resolve, pauseMs));
		}
	};
	const running = Promise.all(Array.from({ length: count * CALLERS_PER_GATEWAY }, (_, caller) => callAgain(caller % count)));
	running.catch(() => {
		next = plan.length; // told by finish()
	});
	return {
		records,
		async beginFault(lastsMs) {
			await until("the workload before the fault", () => records.length >= third, DONE_WITHIN_MS);
			phase = "during";
			pauseMs = Math.max(PAUSE_MS, (lastsMs * count * CALLERS_PER_GATEWAY) / third);
		},
		healed() {
			phase = "after";
			pauseMs = PAUSE_MS;
		},
		async finish() {
			await running;
		},
	};
}

/** `503 authority.unreachable` and the like: what a call may end with. */
export function endOf({ status, code }: CallRecord): string {
	return code === null ? String(status) : `${status} ${code}`;
}

export const BROKEN = "0";
export const CLOSED = "503 authority.unreachable";

/** Outside of the fault calls are served or refused for money; while it lasts they may also end as `mayEnd` says. */
export function expectEnds(records: readonly CallRecord[], mayEnd: readonly (string | RegExp)[], always: readonly string[] = SERVED_OR_REFUSED): void {
	const isAllowed = (record: CallRecord): boolean => {
		const end = endOf(record);
		return always.includes(end) || (record.phase === "during" && mayEnd.some((one) => (typeof one === "string" ? one === end : one.test(end))));
	};
	const strange = records.filter((record) => !isAllowed(record));
	expect(strange.map((record) => `${record.phase}: gateway ${record.gateway}: ${endOf(record)} ${record.text.slice(0, 200)}`)).toEqual([]);
}

export const SERVED_OR_REFUSED: readonly string[] = ["200", "402 budget.exceeded"];
