import { Worker } from "@temporalio/worker";
import { BatchJobClient } from "#clients/batch-job-client.ts";
import { BATCH_TASK_QUEUE } from "#workflows/batch-job/messages.ts";
import { type JobStand, type JobStandOptions, openJobStand } from "./batch-job-stand.ts";
import { type TestTemporal, testWorkflowBundle } from "./temporal.ts";

type Activity = (input: { readonly batchId: string }) => Promise<unknown>;

/** A thousandth of the ordinary delays: half a minute is 30 ms. */
const PACE_PERMILLE = 1;

/** A worker of batches over stands in memory, on the real clock. */
export class BatchJobWorker {
	readonly client: BatchJobClient;
	private readonly temporal: TestTemporal;
	private readonly stands: Map<string, JobStand>;
	private readonly stopWorker: () => Promise<void>;
	private names = 0;

	private constructor(temporal: TestTemporal, stopWorker: () => Promise<void>, stands: Map<string, JobStand>) {
		this.temporal = temporal;
		this.client = this.clientOf();
		this.stopWorker = stopWorker;
		this.stands = stands;
	}

	static async start(temporal: TestTemporal): Promise<BatchJobWorker> {
		const stands = new Map<string, JobStand>();
		const { activities } = openJobStand();
		const byBatch = Object.keys(activities).map((name): [string, Activity] => [
			name,
			(input) => {
				const stand = stands.get(input.batchId);
				if (stand === undefined) throw new Error(`no stand of ${input.batchId}`);
				return (stand.activities as unknown as Record<string, Activity>)[name]?.(input) ?? Promise.reject(new Error(name));
			},
		]);
		const worker = await Worker.create({
			connection: temporal.nativeConnection,
			taskQueue: BATCH_TASK_QUEUE,
			workflowBundle: await testWorkflowBundle(),
			activities: Object.fromEntries(byBatch),
		});
		const running = worker.run();
		const stop = async () => {
			worker.shutdown();
			await running;
		};
		return new BatchJobWorker(temporal, stop, stands);
	}

	/** Names the batch, and starts its workflow. `eventsPerRun`: how soon its history is long enough. */
	async begin(options: JobStandOptions = {}, eventsPerRun?: number): Promise<JobStand> {
		const mark = options.protocol === "anthropic" ? "msgbatch" : "batch";
		const batchId = `${mark}_${String(++this.names).padStart(24, "a")}`;
		const clock = {
			get nowMs() {
				return Date.now();
			},
			set nowMs(_: number) {
				throw new Error("the real clock is not set");
			},
		};
		const stand = openJobStand({ ...options, batchId, clock });
		this.stands.set(batchId, stand);
		await this.tell(stand, false, this.clientOf(eventsPerRun));
		return stand;
	}

	async tell({ store, batchId }: JobStand, retriesNow = false, client = this.client): Promise<void> {
		const record = await store.read(batchId);
		if (record === undefined) throw new Error(`there is no batch ${batchId}`);
		await client.tell(record, { retriesNow });
	}

	private clientOf(eventsPerRun?: number): BatchJobClient {
		const { connection, client } = this.temporal;
		return new BatchJobClient({ connection, client, pacePermille: PACE_PERMILLE, ...(eventsPerRun !== undefined && { eventsPerRun }) });
	}

	stop(): Promise<void> {
		return this.stopWorker();
	}
}
