/**
 * Every patch id with its reason and the release after which it may go. A workflow outlives releases: a change
 * of what it commands needs an entry here and a fresh history under test/replay/.
 */
export const PATCHES = {} as const satisfies Record<string, { readonly reason: string; readonly removableAfter: string }>;
