/**
 * A process that keeps its core from sleeping while it is told to, and ends with its parent (`wakeful-cores.ts`). It looks for messages between slices, so
 * that it can be told otherwise.
 */
const SLICE_NS = 500_000n;

let isAwake = false;

process.on("message", (order: StayAwakeOrder) => {
	const wasAwake = isAwake;
	isAwake = order.isAwake;
	if (isAwake && !wasAwake) stayAwake();
	process.send?.(order);
});
process.once("disconnect", () => process.exit(0));
// A Ctrl-C in the terminal is for the bench, which ends its processes in order.
process.on("SIGINT", () => undefined);

/** Answered by itself once it is so. */
export type StayAwakeOrder = { readonly isAwake: boolean };

function stayAwake(): void {
	if (!isAwake) return;
	const endNs = process.hrtime.bigint() + SLICE_NS;
	while (process.hrtime.bigint() < endNs);
	setImmediate(stayAwake);
}
