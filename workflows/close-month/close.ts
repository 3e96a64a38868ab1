import { setCurrentDetails } from "@temporalio/workflow";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { plain } from "../shared/details-text.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { CloseMonthResult, CloseMonthStatus, CloseMonthStep, StatementDecision, StatementDecisionInput, StatementDecisionResult } from "./messages.ts";

const PERSON_LENGTH_MAX = 100;
const REASON_LENGTH_MAX = 200;

const WORDS: Readonly<Record<CloseMonthStep, string>> = {
	drafting: "the statements are drafted",
	waiting: "**waits for a person to approve it**",
	deciding: "the decision is written down",
	done: "over",
};

/** How far the close of one month is, and what people said of it. The first decision counts. */
export class MonthClose {
	readonly month: string;
	draft: number | null = null;
	decision: StatementDecision | null = null;
	reminders = 0;
	private step: CloseMonthStep = "drafting";

	constructor(month: string) {
		this.month = month;
		this.show();
	}

	begin(draft: number): void {
		this.draft = draft;
		this.show();
	}

	wait(): void {
		this.move("waiting");
	}

	remind(): void {
		this.reminders++;
	}

	decide(): void {
		this.move("deciding");
	}

	end(outcome: CloseMonthResult["outcome"]): CloseMonthResult {
		this.move("done");
		return { month: this.month, outcome, draft: this.draft };
	}

	/** Synchronous, read-only: a rejection leaves no event. */
	readonly validate = (input: StatementDecisionInput): void => {
		const by = storableTextProblem(input?.by, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
		const reason = storableTextProblem(input?.reason, { minLength: 1, maxLength: REASON_LENGTH_MAX });
		const problems = [...(by === undefined ? [] : [{ field: "by", problem: by }]), ...(reason === undefined ? [] : [{ field: "reason", problem: reason }])];
		if (problems.length > 0) throw invalidInput(problems);
		if (this.step !== "waiting") throw conflict(`month ${this.month} does not wait for approval: ${WORDS[this.step].replaceAll("*", "")}`);
		if (this.decision !== null) throw conflict(`month ${this.month} was decided by ${this.decision.by} already`);
		if (input.draft !== undefined && input.draft !== this.draft)
			throw conflict(`draft ${this.draft} of month ${this.month} waits, not ${input.draft}: look at it first`);
	};

	take({ by, reason }: StatementDecisionInput, isApproved: boolean): StatementDecisionResult {
		this.decision = { isApproved, by, reason };
		this.show();
		return { draft: this.draft ?? 0 };
	}

	status(): CloseMonthStatus {
		const { month, step, draft, decision, reminders } = this;
		return { month, step, draft, decision, reminders };
	}

	private move(step: CloseMonthStep): void {
		this.step = step;
		this.show();
	}

	private show(): void {
		const { decision, draft, month, step } = this;
		const decided =
			decision === null
				? []
				: ["", `${decision.isApproved ? "Approved" : "Rejected"} by ${plain(decision.by, PERSON_LENGTH_MAX)}: ${plain(decision.reason, REASON_LENGTH_MAX)}`];
		const todo =
			step === "waiting" && decision === null
				? ["", `To read it: \`npx tollgate statement show ${month}\`. Updates: \`approveStatements\`, \`rejectStatements\`.`]
				: [];
		setCurrentDetails([`## Month ${month}${draft === null ? "" : `, draft ${draft}`}: ${WORDS[step]}`, ...decided, ...todo].join("\n"));
	}
}

function conflict(message: string): CostControlError {
	return new CostControlError("admin.conflict", message);
}
