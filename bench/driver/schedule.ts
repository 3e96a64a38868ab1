/** Times at which calls are meant to leave, in milliseconds from the start of the window: fixed before the first one is sent. */
export type Schedule = Float64Array<SharedArrayBuffer>;

/** Constant arrival: `ratePerSecond` calls a second, evenly spaced, for `durationMs`; shared with the thread that keeps the time. */
export function constantArrival({ ratePerSecond, durationMs }: { readonly ratePerSecond: number; readonly durationMs: number }): Schedule {
	const count = Math.max(1, Math.floor((ratePerSecond * durationMs) / 1000));
	const times = new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));
	for (let index = 0; index < count; index += 1) times[index] = (index * 1000) / ratePerSecond;
	return times;
}
