import { createHash } from "node:crypto";
import { type Client, type Connection, WorkflowNotFoundError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import {
	BATCH_COLLECTOR_ID_PREFIX,
	BATCH_COLLECTOR_WORKFLOW,
	type BatchCollectorInput,
	type BatchCollectorStatus,
	batchCollectorStatusQuery,
	type FlushNowResult,
	flushNowUpdate,
	type ItemsCollected,
	itemsCollectedSignal,
} from "#workflows/batch-collector/messages.ts";
import { BATCH_TASK_QUEUE } from "#workflows/batch-job/messages.ts";
import { STATE_SEARCH_ATTRIBUTE, TEAM_SEARCH_ATTRIBUTE } from "#workflows/team-budget/messages.ts";
import { toCostControlError } from "./governance-client.ts";

export type BatchCollectorClientOptions = {
	/** One connection per process; a lazy one lets the process start while Temporal is away. */
	readonly connection: Connection;
	readonly client: Client;
	/** Deadline of one signal or query; default 3,000 ms. */
	readonly messageTimeoutMs?: number;
	/** Deadline of one update; default 12,000 ms. */
	readonly updateTimeoutMs?: number;
	/** Events after which a collector's workflow begins a new run of itself, and delays in thousandths of the ordinary ones; lower only in tests. */
	readonly eventsPerRun?: number;
	readonly pacePermille?: number;
};

const HASH_CHARACTERS = 24;

/** `batch-collector/<team>/<protocol>/<endpoint>/<hash>`: of names of models and deployments only their hash, since they may have any length. */
export function batchCollectorWorkflowId({ teamId, protocol, endpoint, deployment, model }: CollectorScope): string {
	const hash = createHash("sha256")
		.update(JSON.stringify([deployment, model]))
		.digest("hex")
		.slice(0, HASH_CHARACTERS);
	return `${BATCH_COLLECTOR_ID_PREFIX}${teamId}/${protocol}/${endpoint}/${hash}`;
}

/**
 * The workflows of collectors. Every method has a deadline and raises CostControlError: `governance.unreachable` when Temporal or its worker
 * does not answer (the outcome may be unknown: repeating any method is safe), `batch.missing` for a collector without a workflow.
 */
export class BatchCollectorClient {
	private readonly options: BatchCollectorClientOptions;
	private hasSearchAttributes: Promise<boolean> | undefined;

	constructor(options: BatchCollectorClientOptions) {
		this.options = options;
	}

	/** Tells the workflow that items wait, and starts it where it does not run. */
	async tell(scope: CollectorScope, collected: ItemsCollected): Promise<void> {
		const { eventsPerRun, pacePermille, client } = this.options;
		const { teamId, deployment, model } = scope;
		const hasSearchAttributes = await this.findSearchAttributes();
		const input: BatchCollectorInput = {
			...{ scope, hasSearchAttributes },
			...(eventsPerRun !== undefined && { eventsPerRun }),
			...(pacePermille !== undefined && { pacePermille }),
		};
		const state = "collecting";
		const attributes = new TypedSearchAttributes([
			{ key: defineSearchAttributeKey(TEAM_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: teamId },
			{ key: defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: state },
		]);
		await this.within(this.options.messageTimeoutMs ?? 3_000, () =>
			client.workflow.signalWithStart(BATCH_COLLECTOR_WORKFLOW, {
				workflowId: batchCollectorWorkflowId(scope),
				taskQueue: BATCH_TASK_QUEUE,
				args: [input],
				signal: itemsCollectedSignal,
				signalArgs: [collected],
				staticSummary: `Items of team ${teamId} handed in alone`,
				memo: { team: teamId, deployment, model, state },
				...(hasSearchAttributes ? { typedSearchAttributes: attributes } : {}),
			}),
		);
	}

	status(scope: CollectorScope): Promise<BatchCollectorStatus> {
		return this.within(this.options.messageTimeoutMs ?? 3_000, () => this.handle(scope).query(batchCollectorStatusQuery));
	}

	/** As a person does it in the Temporal UI: what waits is sent. */
	flushNow(scope: CollectorScope, by: string): Promise<FlushNowResult> {
		return this.within(this.options.updateTimeoutMs ?? 12_000, () => this.handle(scope).executeUpdate(flushNowUpdate, { args: [{ by }] }));
	}

	private handle(scope: CollectorScope) {
		return this.options.client.workflow.getHandle(batchCollectorWorkflowId(scope));
	}

	/** Asked once per process: registering them is the server's business, living without them is ours. */
	private findSearchAttributes(): Promise<boolean> {
		this.hasSearchAttributes ??= this.within(this.options.messageTimeoutMs ?? 3_000, async () => {
			const { customAttributes } = await this.options.connection.operatorService.listSearchAttributes({ namespace: this.options.client.options.namespace });
			return TEAM_SEARCH_ATTRIBUTE in customAttributes && STATE_SEARCH_ATTRIBUTE in customAttributes;
		}).catch((error: unknown) => {
			this.hasSearchAttributes = undefined;
			throw error;
		});
		return this.hasSearchAttributes;
	}

	private async within<Result>(timeoutMs: number, call: () => Promise<Result>): Promise<Result> {
		try {
			return await this.options.connection.withDeadline(Date.now() + timeoutMs, call);
		} catch (error) {
			if (error instanceof WorkflowNotFoundError)
				throw new CostControlError("batch.missing", "nothing was collected for this team, deployment and model lately", { cause: error });
			throw toCostControlError(error);
		}
	}
}
