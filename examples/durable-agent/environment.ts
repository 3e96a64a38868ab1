/** What worker and starter are told of the system around them. */
export type Environment = {
	readonly baseUrl: string;
	readonly key: string;
	readonly temporalAddress: string;
	readonly taskQueue: string;
	/** Of transcripts and orders. */
	readonly folder: string;
};

const TASK_QUEUE = "spare-parts";

export function readEnvironment(): Environment {
	return {
		baseUrl: required("GATEWAY_URL"),
		key: required("GATEWAY_KEY"),
		temporalAddress: required("TEMPORAL_ADDRESS"),
		taskQueue: TASK_QUEUE,
		folder: required("AGENT_FOLDER"),
	};
}

function required(name: string): string {
	const value = process.env[name];
	if (value === undefined || value === "") throw new Error(`${name} must be set`);
	return value;
}
