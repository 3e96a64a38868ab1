import { Histogram, type Registry } from "prom-client";

/** Observations that wait for the Prometheus histogram: it costs a call on the hot path more than pricing its answer does. */
const WAITING_OBSERVATIONS = 512;

export type HistogramDefinition = { readonly name: string; readonly help: string; readonly buckets: number[] };

export type WaitingHistogram = {
	observe(milliseconds: number): void;
	/** Another histogram of the same observations, from now on; it costs a call nothing. */
	showAlsoAs(registry: Registry, definition: HistogramDefinition): void;
};

/** Seconds, as Prometheus has them, of what is observed in milliseconds. */
export function createWaitingHistogram(registry: Registry, definition: HistogramDefinition): WaitingHistogram {
	const waiting = new Float64Array(WAITING_OBSERVATIONS);
	const shown: Histogram[] = [];
	let count = 0;
	const drain = (): void => {
		for (let index = 0; index < count; index += 1) for (const histogram of shown) histogram.observe((waiting[index] ?? 0) / 1000);
		count = 0;
	};
	const showAlsoAs = (into: Registry, { name, help, buckets }: HistogramDefinition): void => {
		shown.push(new Histogram({ name, help, buckets, registers: [into], collect: drain }));
	};
	showAlsoAs(registry, definition);
	return {
		observe(milliseconds) {
			if (count === WAITING_OBSERVATIONS) drain();
			waiting[count] = milliseconds;
			count += 1;
		},
		showAlsoAs,
	};
}
