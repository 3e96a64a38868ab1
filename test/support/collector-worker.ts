import { Worker } from "@temporalio/worker";
import type { FlushCollectorInput, ReadCollectorInput } from "#activities/batches/collector/collector-port.ts";
import { BatchCollectorClient } from "#clients/batch-collector-client.ts";
import { BATCH_TASK_QUEUE } from "#workflows/batch-job/messages.ts";
import { collectorScope, MemoryCollector } from "./memory-collector.ts";
import { type TestTemporal, testWorkflowBundle } from "./temporal.ts";

export type CollectorPaces = { readonly pacePermille?: number; readonly eventsPerRun?: number };

/** A thousandth of the ordinary times: items are collected for 900 ms, and a day of quiet is over after 86 s. */
const PACE_PERMILLE = 1;

/** Collectors in memory, by team, and a worker for them that may come and go. */
export class CollectorWorker {
	readonly collectors = new Map<string, MemoryCollector>();
	private readonly temporal: TestTemporal;
	private stopWorker: () => Promise<void> = async () => undefined;

	private constructor(temporal: TestTemporal) {
		this.temporal = temporal;
	}

	static async start(temporal: TestTemporal): Promise<CollectorWorker> {
		const worker = new CollectorWorker(temporal);
		await worker.restart();
		return worker;
	}

	/** Of a team of its own. */
	open(): MemoryCollector {
		const teamId = `team${this.collectors.size + 1}`;
		const collector = new MemoryCollector(collectorScope({ teamId }));
		this.collectors.set(teamId, collector);
		return collector;
	}

	clientOf({ pacePermille = PACE_PERMILLE, eventsPerRun }: CollectorPaces = {}): BatchCollectorClient {
		const { connection, client } = this.temporal;
		return new BatchCollectorClient({ connection, client, pacePermille, ...(eventsPerRun !== undefined && { eventsPerRun }) });
	}

	/** As the starter tells it of the batch that collects. */
	async tell({ scope, collecting }: MemoryCollector, paces: CollectorPaces = {}): Promise<void> {
		for (const { batchId, items } of collecting) await this.clientOf(paces).tell(scope, { batchId, items: items.length, reason: "new" });
	}

	async restart(): Promise<void> {
		await this.stop();
		const worker = await Worker.create({
			connection: this.temporal.nativeConnection,
			taskQueue: BATCH_TASK_QUEUE,
			workflowBundle: await testWorkflowBundle(),
			activities: {
				readCollector: (input: ReadCollectorInput) => this.of(input.scope.teamId).activities.readCollector(input),
				flushCollector: (input: FlushCollectorInput) => this.of(input.batchId.split("_")[1] ?? "").activities.flushCollector(input),
			},
			stickyQueueScheduleToStartTimeout: "1 second",
		});
		const running = worker.run();
		this.stopWorker = async () => {
			worker.shutdown();
			await running;
		};
	}

	async stop(): Promise<void> {
		await this.stopWorker();
		this.stopWorker = async () => undefined;
	}

	private of(teamId: string): MemoryCollector {
		const collector = this.collectors.get(teamId);
		if (collector === undefined) throw new Error(`no collector of ${teamId}`);
		return collector;
	}
}
