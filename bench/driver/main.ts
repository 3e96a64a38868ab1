import { Pacer } from "./pacer.ts";
import { runWindow, type WindowPlan, type WindowResult } from "./window.ts";

/** The driver as a process: runs the windows it is told over IPC, one after the other, and ends with its parent. */
export type DriverReply = { readonly result: WindowResult } | { readonly problem: string };

const pacer = new Pacer();

process.on("message", (plan: WindowPlan) => {
	runWindow(plan, pacer).then(
		(result) => reply({ result }),
		(error: unknown) => reply({ problem: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
	);
});
process.once("disconnect", () => process.exit(0));
// A Ctrl-C in the terminal is for the bench, which ends its processes in order.
process.on("SIGINT", () => undefined);

function reply(message: DriverReply): void {
	process.send?.(message);
}
