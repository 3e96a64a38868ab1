/**
 * Every patch id with its reason and the release after which it may go. A workflow outlives releases: a change
 * of what it commands needs an entry here and a fresh history under test/replay/.
 */
export const PATCHES = {
	"outbox-lanes": {
		reason: "writes and announcements leave side by side, what PostgreSQL refuses for ever is given up, and the outbox is bounded",
		removableAfter: "0.2.0",
	},
	"local-announcements": {
		reason: "an announcement is first tried in the workflow task that decided it, and search attributes change in one command",
		removableAfter: "0.2.0",
	},
} as const satisfies Record<string, { readonly reason: string; readonly removableAfter: string }>;

export type PatchId = keyof typeof PATCHES;
