import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { expect } from "vitest";

export type HistoryEvent = {
	readonly eventType: string;
	readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
	readonly workflowExecutionUpdateAcceptedEventAttributes?: { readonly acceptedRequest?: { readonly input?: { readonly name?: string } } };
};

/** Recorded histories of one workflow, and the bundle of the present code that they are replayed on. */
export class RecordedHistories {
	/** Names of the files. */
	readonly files: readonly string[];
	private readonly folder: string;
	private readonly workflowId: string;
	private readonly buildBundle: () => Promise<WorkflowBundle>;
	private bundle: Promise<WorkflowBundle> | undefined;

	/** `name`: of the folder below test/replay/histories. */
	constructor(name: string, { workflowId, buildBundle }: { readonly workflowId: string; readonly buildBundle: () => Promise<WorkflowBundle> }) {
		this.folder = path.join(import.meta.dirname, "../replay/histories", name);
		this.files = readdirSync(this.folder).filter((file) => file.endsWith(".json"));
		this.workflowId = workflowId;
		this.buildBundle = buildBundle;
	}

	/** Before the first replay. */
	async prepare(): Promise<void> {
		Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
		await this.openBundle();
	}

	/** Rejects where the present code would have done something else. */
	async replay(file: string): Promise<void> {
		await this.replayEvents({ events: this.events(file) });
	}

	/** The same history with other names of its activities: if that went through, replaying would prove nothing. */
	async expectViolation(file: string): Promise<void> {
		const events = this.events(file);
		for (const { activityTaskScheduledEventAttributes: scheduled } of events) if (scheduled) scheduled.activityType.name = "renamedActivity";
		await expect(this.replayEvents({ events })).rejects.toBeInstanceOf(DeterminismViolationError);
	}

	events(file: string): readonly HistoryEvent[] {
		return (JSON.parse(readFileSync(path.join(this.folder, file), "utf8")) as { events: HistoryEvent[] }).events;
	}

	kinds(files = this.files): readonly string[] {
		return files.flatMap((file) => this.events(file).map(({ eventType }) => eventType.replace("EVENT_TYPE_", "")));
	}

	activities(files = this.files): readonly string[] {
		return files.flatMap((file) => this.events(file).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? []));
	}

	private async replayEvents(history: { readonly events: readonly HistoryEvent[] }): Promise<void> {
		await Worker.runReplayHistory({ workflowBundle: await this.openBundle() }, history, this.workflowId);
	}

	private openBundle(): Promise<WorkflowBundle> {
		this.bundle ??= this.buildBundle();
		return this.bundle;
	}
}
