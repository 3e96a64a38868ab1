import type { SlotPermit, SlotReserveContext } from "@temporalio/worker";
import { expect, it } from "vitest";
import { WorkflowSlots } from "../../../workers/shared/workflow-slots.ts";

const asks = (isSticky: boolean): SlotReserveContext => ({ slotType: "workflow", taskQueue: "budget", workerIdentity: "w", workerBuildId: "b", isSticky });
const never = new AbortController().signal;

/** What was given so far. */
function taking(slots: WorkflowSlots, isSticky: boolean, signal = never): SlotPermit[] {
	const given: SlotPermit[] = [];
	slots.reserveSlot(asks(isSticky), signal).then(
		(permit) => given.push(permit),
		() => undefined,
	);
	return given;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("leaves what has to be replayed its slots, however many ask for what is cached", async () => {
	const slots = new WorkflowSlots({ cached: 2, replayed: 1 });
	const cached = [1, 2, 3, 4].map(() => taking(slots, true));
	const replayed = taking(slots, false);
	await settled();
	expect([cached.map(({ length }) => length), replayed.length]).toEqual([[1, 1, 0, 0], 1]);
	expect(slots.tryReserveSlot(asks(true))).toBeNull();
	expect(slots.tryReserveSlot(asks(false))).toBeNull();
});

it("gives a slot that is given back to whoever waited longest for one of its kind", async () => {
	const slots = new WorkflowSlots({ cached: 1, replayed: 1 });
	const [first, second, third] = [taking(slots, true), taking(slots, true), taking(slots, true)];
	const replayed = taking(slots, false);
	await settled();
	slots.releaseSlot({ permit: first[0] as SlotPermit });
	await settled();
	expect([second.length, third.length]).toEqual([1, 0]);
	slots.releaseSlot({ permit: replayed[0] as SlotPermit });
	await settled();
	expect(third.length).toBe(0);
	slots.releaseSlot({ permit: second[0] as SlotPermit });
	await settled();
	expect(third.length).toBe(1);
	slots.releaseSlot({ permit: third[0] as SlotPermit });
	expect(slots.tryReserveSlot(asks(true))).not.toBeNull();
});

it("holds none for whoever waits no longer", async () => {
	const slots = new WorkflowSlots({ cached: 1, replayed: 1 });
	const first = taking(slots, true);
	const stop = new AbortController();
	const waiting = slots.reserveSlot(asks(true), stop.signal);
	const next = taking(slots, true);
	await settled();
	stop.abort();
	await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
	slots.releaseSlot({ permit: first[0] as SlotPermit });
	await settled();
	expect(next.length).toBe(1);
	await expect(slots.reserveSlot(asks(true), stop.signal)).rejects.toMatchObject({ name: "AbortError" });
	slots.releaseSlot({ permit: next[0] as SlotPermit });
	expect(slots.tryReserveSlot(asks(true))).not.toBeNull();
});
