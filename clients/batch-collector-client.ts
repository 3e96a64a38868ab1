import { createHash } from "node:crypto";
import { TypedSearchAttributes } from "@temporalio/common";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
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
import { teamAndState, WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

export type BatchCollectorClientOptions = WorkflowMessagesOptions & {
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
	private readonly messages: WorkflowMessages;

	constructor(options: BatchCollectorClientOptions) {
		this.options = options;
		this.messages = new WorkflowMessages(options, {
			code: "batch.missing",
			message: "nothing was collected for this team, deployment and model lately",
		});
	}

	/** Tells the workflow that items wait, and starts it where it does not run. */
	async tell(scope: CollectorScope, collected: ItemsCollected): Promise<void> {
		const { eventsPerRun, pacePermille, client } = this.options;
		const { teamId, deployment, model } = scope;
		const hasSearchAttributes = (await this.messages.searchAttributes()).size > 0;
		const input: BatchCollectorInput = {
			...{ scope, hasSearchAttributes },
			...(eventsPerRun !== undefined && { eventsPerRun }),
			...(pacePermille !== undefined && { pacePermille }),
		};
		const state = "collecting";
		await this.messages.message(() =>
			client.workflow.signalWithStart(BATCH_COLLECTOR_WORKFLOW, {
				workflowId: batchCollectorWorkflowId(scope),
				taskQueue: BATCH_TASK_QUEUE,
				args: [input],
				signal: itemsCollectedSignal,
				signalArgs: [collected],
				staticSummary: `Items of team ${teamId} handed in alone`,
				memo: { team: teamId, deployment, model, state },
				...(hasSearchAttributes ? { typedSearchAttributes: new TypedSearchAttributes(teamAndState(teamId, state)) } : {}),
			}),
		);
	}

	status(scope: CollectorScope): Promise<BatchCollectorStatus> {
		return this.messages.message(() => this.handle(scope).query(batchCollectorStatusQuery));
	}

	/** As a person does it in the Temporal UI: what waits is sent. */
	flushNow(scope: CollectorScope, by: string): Promise<FlushNowResult> {
		return this.messages.update(() => this.handle(scope).executeUpdate(flushNowUpdate, { args: [{ by }] }));
	}

	private handle(scope: CollectorScope) {
		return this.options.client.workflow.getHandle(batchCollectorWorkflowId(scope));
	}
}
