/** Keys of a run in the transcript store. `docs/durable-agents.md` lists them. */
export const keys = {
	prompt: (runId: string): string => `${runId}/prompt`,
	/** By what they say: a workflow that takes a run up may have other tools. */
	tools: (runId: string, hash: string): string => `${runId}/tools-${hash}`,
	answer: (runId: string, step: number): string => `${runId}/${step}/answer`,
	result: (runId: string, step: number, index: number): string => `${runId}/${step}/${index}/result`,
	/** The `attempt`th run of a tool has begun; from 1. */
	begun: (runId: string, step: number, index: number, attempt: number): string => `${runId}/${step}/${index}/begun-${attempt}`,
	/** ... and is known to have failed. */
	failed: (runId: string, step: number, index: number, attempt: number): string => `${runId}/${step}/${index}/failed-${attempt}`,
};
