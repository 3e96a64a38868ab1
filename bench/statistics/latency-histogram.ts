import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js";

/** Latencies in nanoseconds with three significant digits, up to two minutes: HdrHistogram, whose encoding every tool of that family reads. */
export class LatencyHistogram {
	private readonly histogram: Histogram;

	private constructor(histogram: Histogram) {
		this.histogram = histogram;
	}

	/** Samples below 1 ns count as 1 ns. */
	static of(samplesNs: Iterable<number>): LatencyHistogram {
		const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: HIGHEST_NS, numberOfSignificantValueDigits: 3, bitBucketSize: 32 });
		for (const sampleNs of samplesNs) histogram.recordValue(Math.min(HIGHEST_NS, Math.max(1, Math.round(sampleNs))));
		return new LatencyHistogram(histogram);
	}

	static decode(text: string): LatencyHistogram {
		return new LatencyHistogram(decodeFromCompressedBase64(text, 32));
	}

	get count(): number {
		return this.histogram.totalCount;
	}

	/** Milliseconds at a percentile from 0 to 100; NaN when it is empty. */
	percentileMs(percentile: number): number {
		return this.count === 0 ? Number.NaN : this.histogram.getValueAtPercentile(percentile) / 1e6;
	}

	/** This one with the samples of others: for plots; figures come from single rounds. */
	static sum(histograms: readonly LatencyHistogram[]): LatencyHistogram {
		const total = LatencyHistogram.of([]);
		for (const { histogram } of histograms) total.histogram.add(histogram);
		return total;
	}

	/** HdrHistogram V2, compressed, base64. */
	encode(): string {
		return encodeIntoCompressedBase64(this.histogram);
	}
}

const HIGHEST_NS = 120e9;
