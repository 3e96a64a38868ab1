import { Worker } from "@temporalio/worker";
import type { ChargebackActivities } from "#activities/chargeback/activities.ts";
import { CHARGEBACK_TASK_QUEUE } from "#workflows/close-month/messages.ts";
import { type TestTemporal, testWorkflowBundle } from "./temporal.ts";

/** A worker of months that may come and go. */
export class MonthWorker {
	/** May be replaced between two steps: what it throws is tried again. */
	activities: ChargebackActivities;
	private readonly temporal: TestTemporal;
	private stopWorker: () => Promise<void> = async () => undefined;

	private constructor(temporal: TestTemporal, activities: ChargebackActivities) {
		this.temporal = temporal;
		this.activities = activities;
	}

	static async start(temporal: TestTemporal, activities: ChargebackActivities): Promise<MonthWorker> {
		const worker = new MonthWorker(temporal, activities);
		await worker.restart();
		return worker;
	}

	async restart(): Promise<void> {
		await this.stop();
		const names = Object.keys(this.activities) as (keyof ChargebackActivities)[];
		const worker = await Worker.create({
			connection: this.temporal.nativeConnection,
			taskQueue: CHARGEBACK_TASK_QUEUE,
			workflowBundle: await testWorkflowBundle(),
			activities: Object.fromEntries(names.map((name) => [name, (input: never) => this.activities[name](input)])),
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
}
