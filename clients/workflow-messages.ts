import {
	type Client,
	type Connection,
	isGrpcServiceError,
	QueryNotRegisteredError,
	ServiceError,
	WorkflowFailedError,
	WorkflowNotFoundError,
	WorkflowUpdateFailedError,
	WorkflowUpdateRPCTimeoutOrCancelledError,
} from "@temporalio/client";
import { ApplicationFailure, defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from "@temporalio/common";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { STATE_SEARCH_ATTRIBUTE, TEAM_SEARCH_ATTRIBUTE } from "#workflows/team-budget/messages.ts";

export type WorkflowMessagesOptions = {
	/** One connection per process; a lazy one lets the process start while Temporal is away. */
	readonly connection: Connection;
	readonly client: Client;
	/** Deadline of one signal or query; default 3,000 ms. */
	readonly messageTimeoutMs?: number;
	/** Deadline of one update; default 12,000 ms: a workflow answers within 8,000 ms, whether or not PostgreSQL does. */
	readonly updateTimeoutMs?: number;
};

/** What is said where there is no workflow. */
export type MissingWorkflow = { readonly code: ErrorCode; readonly message: string };

/**
 * How workflows are told and asked: every call has a deadline and raises CostControlError, `governance.unreachable` when Temporal or its
 * worker does not answer (the outcome may be unknown).
 */
export class WorkflowMessages {
	private readonly options: WorkflowMessagesOptions;
	private readonly missing: MissingWorkflow;
	private registered: Promise<ReadonlySet<string>> | undefined;

	constructor(options: WorkflowMessagesOptions, missing: MissingWorkflow) {
		this.options = options;
		this.missing = missing;
	}

	/** A signal or a query. */
	message<Result>(call: () => Promise<Result>): Promise<Result> {
		return this.within(this.options.messageTimeoutMs ?? 3_000, call);
	}

	update<Result>(call: () => Promise<Result>): Promise<Result> {
		return this.within(this.options.updateTimeoutMs ?? 12_000, call);
	}

	/**
	 * Which search attributes the server has beyond its own; none where it has not those of team and state. Asked once per process: registering
	 * them is the server's business, living without them is ours.
	 */
	searchAttributes(): Promise<ReadonlySet<string>> {
		this.registered ??= this.readSearchAttributes().catch((error: unknown) => {
			this.registered = undefined;
			throw error;
		});
		return this.registered;
	}

	private readSearchAttributes(): Promise<ReadonlySet<string>> {
		const { connection, client } = this.options;
		return this.message(async () => {
			const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: client.options.namespace });
			const names = Object.keys(customAttributes);
			return new Set(names.includes(TEAM_SEARCH_ATTRIBUTE) && names.includes(STATE_SEARCH_ATTRIBUTE) ? names : []);
		});
	}

	private async within<Result>(timeoutMs: number, call: () => Promise<Result>): Promise<Result> {
		try {
			return await this.options.connection.withDeadline(Date.now() + timeoutMs, call);
		} catch (error) {
			throw toCostControlError(error, this.missing);
		}
	}
}

/** What every workflow is searched for by. */
export function teamAndState(teamId: string, state: string): [SearchAttributePair, SearchAttributePair] {
	return [
		{ key: defineSearchAttributeKey(TEAM_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: teamId },
		{ key: defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: state },
	];
}

/** What a workflow refuses carries its problems as the failure's first detail. */
function fieldOf({ details }: ApplicationFailure): string | null {
	const [problems] = details ?? [];
	const field: unknown = Array.isArray(problems) ? (problems[0] as { field?: unknown } | undefined)?.field : undefined;
	return typeof field === "string" ? field : null;
}

/** What Temporal says, in the words of this library. */
function toCostControlError(error: unknown, missing: MissingWorkflow): unknown {
	if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) {
		const { cause } = error;
		if (cause instanceof ApplicationFailure && cause.type && cause.type in ERROR_CODES) {
			return new CostControlError(cause.type as ErrorCode, cause.message, { cause: error, details: { field: fieldOf(cause) } });
		}
		return error;
	}
	if (error instanceof WorkflowNotFoundError) return new CostControlError(missing.code, missing.message, { cause: error });
	const isAway =
		error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
		error instanceof QueryNotRegisteredError || // also of a workflow that no worker of this release can replay
		error instanceof ServiceError ||
		isGrpcServiceError(error);
	return isAway
		? new CostControlError("governance.unreachable", "Temporal or its worker does not answer; limits in force stay in force, try again", { cause: error })
		: error;
}
