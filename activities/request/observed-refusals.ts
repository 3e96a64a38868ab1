import { amountIn, type Reservation } from "#domain/budget/lease-book.ts";
import type { WindowLease } from "#domain/budget/window-lease.ts";
import type { RefusalRecord } from "../ledger/record.ts";
import type { AdmissionInput } from "./port.ts";

export type RefusalIdentity = { readonly refusalId: string; readonly refusedAtMs: number };

/**
 * What observed budgets would have refused of a call that was just let pass: one record for each, with the numbers of the
 * last grant in its window. Undefined for nearly every call.
 */
export function observedRefusals(input: AdmissionInput, reservation: Reservation, newIdentity: () => RefusalIdentity): readonly RefusalRecord[] | undefined {
	let records: RefusalRecord[] | undefined;
	for (const lease of reservation.leases) {
		if (!lease.facts.isObserved || !lease.isBeyondBound) continue;
		records ??= [];
		records.push(toRecord(input, lease, { ...newIdentity(), need: amountIn(lease.unit, reservation.amounts) }));
	}
	return records;
}

function toRecord(input: AdmissionInput, lease: WindowLease, { refusalId, refusedAtMs, need }: RefusalIdentity & { readonly need: bigint }): RefusalRecord {
	const { facts } = lease;
	const idle = lease.idleAtGrant + need;
	const isApprovalMissing = facts.needsApproval && facts.limit - facts.granted + idle >= need;
	return {
		type: "refusal",
		refusalId,
		requestId: input.requestId,
		refusedAtMs,
		teamId: input.key.teamId,
		keyId: input.key.keyId,
		code: isApprovalMissing ? "budget.needs_approval" : "budget.exceeded",
		budgetId: lease.budgetId,
		windowId: lease.windowId,
		windowSeq: facts.seq,
		limitAmount: facts.limit.toString(),
		granted: facts.granted.toString(),
		idle: idle.toString(),
		need: need.toString(),
		openReservations: null,
		waitedMs: 0,
		isRemembered: false,
		isObserved: true,
	};
}
