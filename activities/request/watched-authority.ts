import type { CallAuthority } from "./pipeline.ts";
import type { Admission, AdmissionInput } from "./port.ts";

/** The authority as one call asks it, with a look at each admission before the call has it. */
export function watchAdmissions(authority: CallAuthority, watch: (admission: Admission, input: AdmissionInput) => Admission): CallAuthority {
	return {
		counters: authority.counters,
		journalTurn: authority.journalTurn,
		rates: authority.rates,
		recordLimitRefusal: (refusal) => authority.recordLimitRefusal(refusal),
		teamPolicy: (teamId) => authority.teamPolicy(teamId),
		priceBook: () => authority.priceBook(),
		findUnknownAnswer: (teamId, answerIds) => authority.findUnknownAnswer(teamId, answerIds),
		findUnknownItem: (teamId, itemIds) => authority.findUnknownItem(teamId, itemIds),
		countBudgets: (call) => authority.countBudgets(call),
		admit(input) {
			const asked = authority.admit(input);
			return asked instanceof Promise ? asked.then((admission) => watch(admission, input)) : watch(asked, input);
		},
	};
}
