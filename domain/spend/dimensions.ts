/** By what spend is added up, and over which periods of UTC. Each is also what it can be narrowed to. */
export const SPEND_DIMENSIONS = ["team", "feature", "user", "model", "askedModel", "provider", "key", "environment", "run", "batch"] as const;
export type SpendDimension = (typeof SPEND_DIMENSIONS)[number];

/** Weeks begin on Monday. */
export const SPEND_PERIODS = ["hour", "day", "week", "month"] as const;
export type SpendPeriod = (typeof SPEND_PERIODS)[number];
