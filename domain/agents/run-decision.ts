/** What a person, or time, decides about a run. */
export type RunDecision = {
	readonly runId: string;
	/** Absent = of any team. */
	readonly teamId?: string;
	readonly by: string;
	readonly reason: string;
	/** Absent = whatever stands; else refused with admin.conflict where the run has another version. */
	readonly knownVersion?: string;
	readonly decision:
		| { readonly kind: "resume" }
		/** Raises and resumes. */
		| { readonly kind: "approve"; readonly limits: Readonly<Record<string, unknown>> }
		| { readonly kind: "raise"; readonly limits: Readonly<Record<string, unknown>> }
		| { readonly kind: "stop" }
		/** A pause that nobody answered becomes a stop. */
		| { readonly kind: "expire" }
		| { readonly kind: "finish" };
};
