/** One scripted run, as a line of a corpus file holds it. What the run is stands in `label` and `onsetStep`, which the judge alone reads. */
export type CorpusRun = {
	readonly runId: string;
	/** `loop:KIND` or `legitimate:KIND`. */
	readonly label: string;
	/**
	 * Step, from 1, at which a loop has completed its repeats: four of the same call and result, three of an error or of a cycle; eight
	 * steps after the first for loops without exact repeats. null for legitimate runs.
	 */
	readonly onsetStep: number | null;
	readonly events: readonly CorpusEvent[];
};

export type CorpusEvent = {
	readonly tool: string;
	/** An object as tools take it, or text. */
	readonly args: unknown;
	/** null: the tool brought nothing back. */
	readonly observation: string | null;
	readonly isError: boolean;
	/** A whole number; in a file a decimal string or a number. */
	readonly costNanoUsd: string;
	readonly tokens: number;
};

export function isLoop(run: CorpusRun): boolean {
	return run.onsetStep !== null;
}

/** Steps after the onset by which a run must have been stopped. */
const GRACE_STEPS = 6;
const PERIOD_MAX = 64;

/** The last step at which a loop may be stopped: the larger of two periods and six steps after its onset. */
export function deadlineStep(run: CorpusRun): number {
	return (run.onsetStep ?? Number.POSITIVE_INFINITY) + Math.max(2 * periodOf(run), GRACE_STEPS);
}

/** Calls of the cycle that has come back three times at the onset, read off the trace as it is written; 1 where none has. */
export function periodOf({ onsetStep, events }: CorpusRun): number {
	if (onsetStep === null) return 1;
	const texts = events.slice(0, onsetStep).map(({ tool, args, observation, isError }) => JSON.stringify([tool, args, observation, isError]));
	for (let period = 1; period <= Math.min(PERIOD_MAX, onsetStep / 3); period += 1) {
		const tail = texts.slice(-3 * period);
		if (tail.every((text, index) => index < period || text === tail[index - period])) return period;
	}
	return 1;
}
