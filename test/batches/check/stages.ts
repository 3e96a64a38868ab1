import { createRandom } from "#test/faults/random.ts";
import { Broken } from "#test/govern/broken.ts";
import type { ManyItemsStand, Peaks } from "./many-items-stand.ts";

/** What the measurements of very many items have in common: stages with their time and memory, what neither may pass, and prompts. */

const LIMITS = { megabytes: 300, eventsPerItem: 0.05 } as const;
/** However few items there are, the workflows take some hundred events: what an item costs is judged where there are many. */
const JUDGED_ITEMS_MIN = 10_000;
/** No bar: a measurement has to end. */
export const STAGE_MS_MAX = 900_000;

/** 3.9 kB a request on the average, so that 50,000 are just below the 200 MB that OpenAI takes. */
const TEXTS = 97;
const TEXT_BYTES_MIN = 1_300;
const TEXT_BYTES_STEP = 50;

type Figures = { readonly items: number; readonly megabytes: Partial<Record<string, Peaks>>; readonly eventsPerItem: number };

export function refuseAboveLimits({ items, megabytes, eventsPerItem }: Figures): void {
	for (const [stage, peaks] of Object.entries(megabytes))
		for (const [who, most] of Object.entries(peaks ?? {}))
			if (!(most < LIMITS.megabytes)) throw new Broken(`memory of the ${who} in ${stage}: ${most} MB, not below ${LIMITS.megabytes}`);
	if (items >= JUDGED_ITEMS_MIN && !(eventsPerItem <= LIMITS.eventsPerItem))
		throw new Broken(`events per item: ${eventsPerItem}, more than ${LIMITS.eventsPerItem}`);
}

type Measuring = { readonly system: ManyItemsStand; onProgress(line: string): void };

/** Each stage with its time and its memory. */
export class Stages<Stage extends string> {
	readonly seconds: Partial<Record<Stage, number>> = {};
	/** Resident memory at its most. */
	readonly megabytes: Partial<Record<Stage, Peaks>> = {};
	private readonly of: string;
	private readonly measuring: Measuring;

	constructor(of: string, measuring: Measuring) {
		this.of = of;
		this.measuring = measuring;
	}

	figures(): { readonly seconds: Partial<Record<Stage, number>>; readonly megabytes: Partial<Record<Stage, Peaks>> } {
		return { seconds: this.seconds, megabytes: this.megabytes };
	}

	async measure<Result>(stage: Stage, work: () => Promise<Result>): Promise<Result> {
		const { system, onProgress } = this.measuring;
		system.forgetPeaks();
		const beganAtMs = performance.now();
		const result = await work();
		const seconds = Math.round((performance.now() - beganAtMs) / 100) / 10;
		const peaks = system.peaks();
		this.seconds[stage] = seconds;
		this.megabytes[stage] = peaks;
		onProgress(`${this.of} ${stage}: ${seconds} s, gateway ${peaks.gateway} MB, worker ${peaks.worker} MB, its process of batches ${peaks.batches} MB`);
		return result;
	}
}

/** Looked at a few times a second: the measurement is not to be the load. */
export async function becomes(what: string, look: () => Promise<boolean>): Promise<void> {
	const deadlineMs = performance.now() + STAGE_MS_MAX;
	while (!(await look())) {
		if (performance.now() > deadlineMs) throw new Broken(`${what}: not within ${STAGE_MS_MAX} ms`);
		await new Promise((resolve) => setTimeout(resolve, 250));
	}
}

export function expectSame(what: string, found: unknown, wanted: unknown): void {
	if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Broken(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

export function textsOf(seed: number): string[] {
	const random = createRandom(seed);
	return Array.from({ length: TEXTS }, (_, index) => {
		const words = Array.from({ length: 1_000 }, () => random.text(random.integer(3, 9)));
		return words.join(" ").slice(0, TEXT_BYTES_MIN + index * TEXT_BYTES_STEP);
	});
}

export const textOf = (n: number, texts: readonly string[]): string => `${texts[n % texts.length] ?? ""} ${n}`;
