/** What stands now, everything that is kept, and what some channel did not take. */
export const VIEWS = ["standing", "all", "dead"] as const;
export type View = (typeof VIEWS)[number];
/** The API gives the newest ones and no pages: more are asked for by a larger number. */
export const LENGTHS = ["50", "200", "1000"] as const;
export type Length = (typeof LENGTHS)[number];
