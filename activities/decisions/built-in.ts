import type { Decider } from "./port.ts";

/**
 * The built-in rules alone. The scope of the key, the bound, budgets and limits hold for every call where they stand, whoever
 * else is asked; so this decider has nothing to add, and is never asked.
 */
export const BUILT_IN_RULES: Decider = {
	isAsked: false,
	decide: () => ({ kind: "allowed" }),
	close: () => Promise.resolve(),
};
